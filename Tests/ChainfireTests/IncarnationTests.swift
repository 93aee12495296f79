import Foundation
import Host
import Raft
import Store
import Testing
@testable import Chainfire
@testable import Replica

struct IncarnationTests {
    /// A transport that carries nothing: only its book is looked at.
    private final class Deaf: Transport {
        func start(
            _ identity: PeerIdentity, admit: @escaping @Sendable (PeerHello) -> PeerRefusal?,
            refused: @escaping @Sendable (PeerRefusal) -> Void, met: @escaping @Sendable (UInt64) -> Void,
            receive: @escaping @Sendable ([PeerMessage]) -> Void, lost: @escaping @Sendable (UInt64) -> Void
        ) {}
        func send(_ messages: [PeerMessage]) {}
        func isConnected(to member: UInt64) -> Bool { false }
        func setPeers(_ peers: [Peer]) {}
        func disconnect(_ member: UInt64) {}
        func stop() {}
    }

    private func open(_ directory: String, _ membership: ClusterMembership) throws -> Chainfire {
        try Chainfire.open(
            directory: directory, time: SystemTime(), disk: SystemDisk(), membership: membership, transport: Deaf(), logger: quiet)
    }

    private func founding(_ names: String...) -> ClusterMembership {
        let members = names.enumerated().map { FoundingMember(name: $1, peerURLs: ["https://127.0.0.1:\($0 + 1)"]) }
        return .bootstrap(name: names[0], members: members, token: "t")
    }

    private func record(_ bench: Bench) -> MemberRecord? { bench.machine.state.withLock { $0.facts.members[1] } }

    @Test func `a member tells its disk once; another is refused whole, and nobody erases it`() throws {
        let directory = try TemporaryDirectory()
        do {
            let bench = try Bench(directory.path)
            try bench.apply(.published(memberID: 1, name: "one", clientURLs: [], incarnation: 0))
            #expect(record(bench)?.incarnation == 0)
            try bench.apply(.published(memberID: 1, name: "one", clientURLs: ["a"], incarnation: 77))
            #expect(record(bench)?.incarnation == 77)
            let refused = try bench.refusal(.published(memberID: 1, name: "two", clientURLs: ["b"], incarnation: 78))
            #expect("\(refused.map { "\($0)" } ?? "")".contains("another disk than before"))
            #expect(record(bench)?.name == "one" && record(bench)?.clientURLs == ["a"] && record(bench)?.incarnation == 77)
            // One of an earlier version says nothing of its disk.
            try bench.apply(.published(memberID: 1, name: "three", clientURLs: ["c"], incarnation: 0))
            try bench.apply(.founded(clusterID: 9, [MemberRecord(id: 1, name: "one", peerURLs: [])]))
            for incarnation: UInt64 in [0, 78] {
                try bench.apply(.members([MemberRecord(id: 1, name: "four", peerURLs: ["u"], incarnation: incarnation)]))
                // Nor its name and its clients' addresses, by who read them before.
                #expect(record(bench)?.incarnation == 77 && record(bench)?.name == "three" && record(bench)?.clientURLs == ["c"] && record(bench)?.peerURLs == ["u"])
            }
            _ = try bench.machine.checkpoint()
        }
        #expect(record(try Bench(directory.path))?.incarnation == 77)
    }

    @Test func `nobody is let in while a voter has not told with which disk it votes`() throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory.path, founding("a", "b", "c"))
        let mine = store.machine.identity.memberID
        var text = ""
        do { _ = try store.joinTicket(for: mine) } catch { text = "\(error)" }
        #expect(text.contains("of 3 voters 3 never said with which disk they vote"), "\(text)")
        #expect(text.contains("(b)") && text.contains("member replace"), "\(text)")
    }

    @Test func `who begins with others waits for them, whenever it is started, and after a restore as well`() async throws {
        let directory = try TemporaryDirectory()
        for _ in 0..<2 {
            let store = try open(directory.path, founding("a", "b", "c"))
            #expect(store.status.unmet.sorted() == ["b", "c"])
            #expect(store.status.errors.contains { $0.hasPrefix("the cluster begins with all its members") })
        }
        let alone = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let copy = alone.path + "-copy"
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try await withChainfire(in: alone.path) { store in
            try await store.put("k", [1])
            try await store.snapshot(to: copy)
        }
        guard case .bootstrap(let name, let members, _) = founding("a", "b", "c") else { return }
        _ = try Chainfire.restore(snapshot: copy, to: there.path, membership: .bootstrap(name: name, members: members, token: "of the restore"))
        for _ in 0..<2 { #expect(try open(there.path, founding("a", "b", "c")).status.unmet.sorted() == ["b", "c"]) }
    }

    @Test(.timeLimit(.minutes(1))) func `a founder tells its disk by itself, and who joins knows it from its ticket`() async throws {
        let first = try TemporaryDirectory()
        let second = try TemporaryDirectory()
        let store = try open(first.path, founding("a"))
        let running = Task { try await store.run() }
        defer { running.cancel() }
        let ticket = try await ticket(of: store)
        let incarnation = store.replica.incarnation
        #expect(incarnation != 0)
        #expect(ticket.members.map(\.incarnation).filter { $0 != 0 } == [incarnation])
        let joined = try open(second.path, .joined(ticket))
        let (cluster, a) = (ticket.clusterID, store.machine.identity.memberID)
        let wiped = PeerHello(cluster: cluster, from: a, to: ticket.memberID, incarnation: incarnation ^ 1)
        let refusal = joined.replica.book?.admit(wiped)
        #expect(refusal == .incarnation(member: a, known: incarnation, theirs: incarnation ^ 1, voters: 1))
        #expect(joined.replica.book?.admit(PeerHello(cluster: cluster, from: a, to: ticket.memberID, incarnation: incarnation)) == nil)
    }

    /// Asks until it is let in, as who joins does.
    private func ticket(of store: Chainfire) async throws -> JoinTicket {
        while true {
            do {
                return try await store.joinMember(name: "b", peerURLs: ["https://127.0.0.1:9"])
            } catch {
                guard "\(error)".contains("never said") else { throw error }
                await Task.yield()
            }
        }
    }
}
