import API
import Foundation
import Host
import Logging
import Manifest
import Resource
import Simulation
import Store
import Testing

@testable import Commands

/// The verbs' shells against a real API over a memory store.
struct ServerTests {
    @Test func `waiting ends when the objects are as wanted, and otherwise says why not`() async throws {
        try await withServer { client, store in
            _ = try await client.apply([("lab.yaml", Array(manifest("a", "b").utf8))])
            let waiter = Waiter(
                client: client, kinds: toys, terminal: Terminal(noColor: true, isTerminal: false, environment: [:]), isQuiet: true
            )
            let a = Reference(kind: "Node", name: "a")
            let b = Reference(kind: "Node", name: "b")

            let failure = await #expect(throws: Failure.self) {
                try await waiter.wait(for: [(a, .ready), (b, .ready)], timeout: .zero)
            }
            #expect(failure?.description.contains("2 of 2 objects are not ready") == true)
            #expect(failure?.description.contains("node/a  Pending: no controller has looked at it yet") == true)

            try await withThrowingTaskGroup { tasks in
                tasks.addTask { try await waiter.wait(for: [(a, .ready), (b, .ready)], timeout: .seconds(60)) }
                try await set("a", .ready, store)
                try await set("b", .ready, store)
                try await tasks.waitForAll()
            }

            try await set("b", .stalled("wiping needs consent"), store)
            let hopeless = await #expect(throws: Failure.self) {
                try await waiter.wait(for: [(a, .ready), (b, .ready)], timeout: nil)
            }
            #expect(hopeless?.description.contains("node/b  Stalled: wiping needs consent") == true)

            try await waiter.wait(for: [(Reference(kind: "Node", name: "never"), .absent)], timeout: .seconds(60))
        }
    }

    @Test func `what the arguments name is fetched, and what is not there is told`() async throws {
        try await withServer { client, _ in
            _ = try await client.apply([("lab.yaml", Array(manifest("a", "b", "c").utf8))])
            func fetch(_ arguments: String...) async throws -> Listing {
                try await Listing.fetch(try Selection.parse(arguments, kinds: toys), selector: nil, client: client)
            }
            #expect(try await fetch("nodes").objects.map(\.name) == ["a", "b", "c"])
            #expect(try await fetch("node/c", "node/a").objects.map(\.name) == ["c", "a"])
            let partly = try await fetch("node", "b", "x")
            #expect(partly.objects.map(\.name) == ["b"])
            #expect(partly.missing == [Reference(kind: "Node", name: "x")])
            #expect(throws: Failure("Node/x is not there")) { try partly.orMissing() }
            #expect(try await fetch("all").count == 3)
            let labelled = try await Listing.fetch(
                [Selection(kind: toys["node"]!)], selector: try LabelSelector("name in (a,c)"), client: client)
            #expect(labelled.objects.map(\.name) == ["a", "c"])
        }
    }

    @Test func `of several who ask an authority to revoke at once, none is lost, and none asks twice`() async throws {
        try await withServer(Commands.kinds) { client, _ in
            let text = "apiVersion: plasma.cloud/v1alpha1\nkind: CertificateAuthority\nmetadata: {name: ca}\nspec: {commonName: ca}\n"
            _ = try await client.apply([("ca.yaml", Array(text.utf8))])
            try await withThrowingTaskGroup(of: Bool.self) { tasks in
                for number in 10..<14 { tasks.addTask { try await AuthorityRecord.revoke("a\(number)b", of: "ca", client) } }
                for try await isNew in tasks { #expect(isNew) }
            }
            #expect(try await !AuthorityRecord.revoke("a10b", of: "ca", client))
            #expect(try await AuthorityRecord.revoke("10b", of: "ca", client), "a part of another number is none")
            let asked = try await AuthorityRecord.fetch("ca", client).annotation("plasma.cloud/revoke")
            #expect(asked?.split(separator: ",").sorted() == ["10b", "a10b", "a11b", "a12b", "a13b"])
        }
    }

    @Test func `nodes are deleted before their certificates`() {
        func part(_ kind: String) -> Listing.Part { .init(kind: Commands.kinds[kind]!, names: nil, objects: [], resourceVersion: "") }
        let order = DeleteCommand.inOrder(["certificate", "service", "node", "cluster"].map(part)).map(\.kind.name)
        #expect(order == ["Node", "Certificate", "Service", "Cluster"])
    }

    private func manifest(_ names: String...) -> String {
        names.map { "apiVersion: plasma.cloud/v1alpha1\nkind: Node\nmetadata: {name: \($0), labels: {name: \($0)}}\n" }.joined(
            separator: "---\n")
    }

    /// Writes a status as a controller would.
    private func set(_ name: String, _ condition: Condition, _ store: MemoryStore) async throws {
        let kind = toys["node"]!
        let key = Key(Registry.key(kind, name))
        let entry = try #require(try await store.range(RangeRequest(.single(key))).entries.first)
        var node: Resource<CommandsTests.Node> = try Wire.decode(Resource<CommandsTests.Node>.self, from: entry.value)
        node.status = StatusRecord(
            observedGeneration: node.metadata.generation,
            conditions: condition.records(generation: node.metadata.generation, now: sceneNow, previous: []),
            phase: condition.reason, detail: ToyStatus())
        _ = try await store.commit(Transaction(then: [.put(key, try node.encoded())]))
    }

    private func withServer(_ kinds: KindTable = toys, _ body: @escaping @Sendable (Client, MemoryStore) async throws -> Void) async throws {
        let folder = try Folder()
        let socket = folder.path + "/s"
        let store = MemoryStore()
        let (started, isStarted) = AsyncStream.makeStream(of: Void.self)
        let server = Server(.init(socketPath: socket), store: store, kinds: kinds, hooks: Hooks(), logger: Logger(label: "test")) {
            _ in isStarted.yield()
        }
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { try await server.run() }
            for await _ in started { break }
            let client = try Client(.unix(socket))
            do { try await body(client, store) } catch {
                await client.close()
                tasks.cancelAll()
                throw error
            }
            await client.close()
            tasks.cancelAll()
            do { try await tasks.waitForAll() } catch is CancellationError {}
        }
    }
}
