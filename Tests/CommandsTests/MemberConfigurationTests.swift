import Chainfire
import Foundation
import Host
import Logging
import Manifest
import Simulation
import Store
import Testing

@testable import Commands

struct MemberConfigurationTests {
    /// The cases are files; relative paths start where `ca.crt`, `tls.crt`, `tls.key` and `token` are.
    @Test func `a member's file is read, and every problem told with its place`() throws {
        let folder = try Folder()
        for (name, text) in [("ca.crt", "x"), ("tls.crt", "x"), ("tls.key", "x"), ("token", "0123456789abcdef\n"), ("short", "tiny\n")] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path + "/" + name))
        }
        try CaseFile("member").check { input in
            do {
                let read = try MemberConfiguration.read(
                    Array(input.utf8), file: "member.yaml", directory: folder.path, hostName: "node01")
                return Self.shown(read).replacingOccurrences(of: folder.path, with: "HERE")
            } catch let error as InvalidManifest {
                return error.description.replacingOccurrences(of: folder.path, with: "HERE")
            }
        }
    }

    @Test func `who finds initial_peers changed, and its cluster begun long ago, is told that it does not count`() throws {
        let text = "name: a\ndata_dir: /d\nbootstrap: true\ninitial_peers: [a=http://10.0.0.1:2380, b=http://10.0.0.2:2380]\n"
        let read = try MemberConfiguration.read(Array(text.utf8), file: "a.yaml", directory: "/", hostName: "a")
        func member(_ id: UInt64, _ name: String, _ url: String) -> MemberRecord { MemberRecord(id: id, name: name, peerURLs: [url], clientURLs: []) }
        let here = member(1, "a", "http://10.0.0.1:2380")
        #expect(read.moved(from: []) == [] && read.moved(from: [here, member(3, "c", "http://10.0.0.3:2380")]) == [])
        #expect(read.moved(from: [here, member(2, "b", "http://10.0.0.9:2380")]).map(\.words) == ["""
            initial_peers has b at http://10.0.0.2:2380, but the members know it at http://10.0.0.9:2380 and go on so: initial_peers counts only \
            where a cluster begins (`etcdctl member update` changes a member's address)
            """])
    }

    /// A cluster's id is made of it, and everybody may know that.
    @Test func `a join token that a person thought up takes long to try`() {
        let random = String(repeating: "0123456789abcdef", count: 4)
        #expect(Admission.stretched(random) == random)
        for token in ["correct horse battery staple", String(random.dropLast()), random + "0", String(random.dropLast()) + "g"] {
            let stretched = Admission.stretched(token)
            #expect(stretched.count == 64 && stretched != token && Admission.stretched(stretched) == stretched)
        }
    }

    @Test func `who begins alone, and is stopped before its cluster has begun, begins the same one again; and no other once it has`() async throws {
        let folder = try Folder()
        let text = "name: one\ndata_dir: \(folder.path)\n"
        let read = try MemberConfiguration.read(Array(text.utf8), file: "member.yaml", directory: folder.path, hostName: "node01")
        let admission = Admission(configuration: read, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let first = try await admission.membership()
        let identity = try #require(first.identity)
        #expect(try await admission.membership().identity == identity)
        // As far as a first start had come that ended when it opened its ports.
        _ = try Chainfire.open(directory: folder.path, time: SystemTime(), disk: SystemDisk(), membership: first, logger: admission.logger)
        #expect(try await admission.membership().identity == identity)
        admission.settle()
        #expect(try await admission.membership() == .existing)
    }

    private static func shown(_ read: MemberConfiguration) -> String {
        var lines = ["\(read.name) in \(read.directory)"]
        switch read.beginning {
        case .alone: lines.append("alone")
        case .bootstrap(let founders): lines.append("begins with " + founders.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ", "))
        case .join(let url, let others): lines.append((["joins through \(url)"] + others.map(\.scalarText)).joined(separator: ", else "))
        }
        lines.append("clients \(read.listenClient) told \(read.advertiseClient.joined(separator: ", "))")
        lines.append("peers \(read.listenPeer) told \(read.advertisePeer.joined(separator: ", "))")
        if let metrics = read.listenMetrics { lines.append("metrics \(metrics)") }
        if let tls = read.clientTLS { lines.append("client tls \(tls.certificate) \(tls.key) \(tls.ca ?? "-") \(tls.clientAuthentication)") }
        if let tls = read.peerTLS { lines.append("peer tls \(tls.certificate) \(tls.key) \(tls.ca ?? "-")") }
        if read.joinToken != nil { lines.append("has a token") }
        lines.append("heartbeat \(read.heartbeat) election \(read.election) quota \(read.quota) keep \(read.compactionKeep.map(String.init) ?? "all")")
        if read.leaseReads { lines.append("lease reads") }
        return (lines + read.notices.map { "notice: \($0)" }).joined(separator: "\n")
    }

    @Test func `flags go before the file, and may stand alone`() throws {
        let leased = try MemberConfiguration.read(Array("data_dir: /d\nlease_reads: true\n".utf8), file: "m.yaml", directory: "/", hostName: "h")
        #expect(leased.leaseReads && leased.storeOptions.log.leaseReads)
        let flags = try MemberFlags.parse(["--name", "web", "--data-dir", "/d", "--listen-client", "127.0.0.1:4000"])
        let both = try MemberConfiguration.read(
            Array("name: other\nlisten_peer: 127.0.0.1:4001\n".utf8), file: "m.yaml", flags: flags, directory: "/", hostName: "h")
        #expect(both.name == "web" && both.directory == "/d")
        #expect(both.listenClient.port == 4000 && both.listenPeer.port == 4001)
        #expect(both.advertiseClient == ["http://127.0.0.1:4000"])
        // Also before the same thing under PlasmaCloud's name, or said in another way.
        let token = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID().uuidString)").path
        try Data("0123456789abcdef0123".utf8).write(to: URL(fileURLWithPath: token))
        defer { try? FileManager.default.removeItem(atPath: token) }
        let synonyms = try MemberConfiguration.read(
            Array("node_id: other\njoin_token: ffffffffffffffffffff\n".utf8), file: "m.yaml",
            flags: try MemberFlags.parse(["--name", "web", "--data-dir", "/d", "--join-token-file", token]), directory: "/", hostName: "h")
        #expect(synonyms.name == "web" && synonyms.joinToken == "0123456789abcdef0123")
        let alone = try MemberConfiguration.read(nil, file: "", flags: flags, directory: "/", hostName: "h")
        #expect(alone.beginning == .alone)
        let failure = #expect(throws: Failure.self) { try MemberConfiguration.load(nil, flags: try MemberFlags.parse([])) }
        #expect(failure?.description.contains("data_dir: is required") == true)
    }

    @Test func `the help and the example name every key that is read`() throws {
        let keys = Set(MemberConfiguration.keys.map(\.path))
        #expect(keys.isSuperset(of: ["name", "data_dir", "bootstrap", "initial_peers", "leader_url", "tls.client.cert", "tls.peer.ca"]))
        #expect(MemberConfiguration.keys.allSatisfy { !$0.help.isEmpty })
        let help = Plasma.helpMessage(for: ServeCommand.self, columns: 120)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let path = root.appendingPathComponent("manifests/chainfire/member.yaml").path
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        for key in keys {
            #expect(help.contains(key), "\(key)")
            #expect(text.contains("\(key.split(separator: ".").last ?? ""):") || key == "node_id", "\(key)")
        }
    }

    @Test func `ticks follow from the times that a person gives`() throws {
        let read = try MemberConfiguration.read(
            Array("data_dir: /d\nheartbeat_interval: 200ms\nelection_timeout: 2s\n".utf8), file: "m", directory: "/", hostName: "h")
        let options = read.storeOptions
        #expect(options.log.tick == .milliseconds(100))
        #expect(options.log.heartbeatTicks == 2 && options.log.electionTicks == 20)
        #expect(options.log.requestTicks == 90)
        #expect(options.leaseTTLMin == 4)
    }
}

struct MemberURLTests {
    @Test func `an address has a port, and a scheme or the port's own`() throws {
        let url = try MemberURL(scalar: "https://node.lab:2380")
        #expect(url.host == "node.lab" && url.port == 2380 && url.isSecure == true)
        let bare = try MemberURL(scalar: "10.0.0.1:2379")
        #expect(bare.isSecure == nil && bare.text(isSecure: false) == "http://10.0.0.1:2379")
        let six = try MemberURL(scalar: "[::1]:2379")
        #expect(six.host == "::1" && six.isLoopback && six.text(isSecure: true) == "https://[::1]:2379")
        for wrong in ["", "node", "https://node", "node:0", "node:99999", "https://node:1/path", "ftp://node:1", "[::1]", "a b:1"] {
            #expect(throws: ScalarProblem.self, "\(wrong)") { try MemberURL(scalar: wrong) }
        }
    }

    @Test func `endpoints come from the option, the environment, or loopback`() throws {
        let variable = [EndpointOptions.variable: "https://a:2379, https://b:2379"]
        #expect(try EndpointOptions.urls(nil, environment: variable).map(\.host) == ["a", "b"])
        #expect(try EndpointOptions.urls("c:1", environment: variable).map(\.scalarText) == ["http://c:1"])
        #expect(try EndpointOptions.urls(nil, environment: [:]).map(\.scalarText) == ["http://127.0.0.1:2379"])
        let failure = #expect(throws: Failure.self) { try EndpointOptions.urls(nil, environment: [EndpointOptions.variable: "a:1,,"]) }
        #expect(failure?.description.hasPrefix("$PLASMA_CHAINFIRE_ENDPOINTS: \"\"") == true)
        #expect(throws: Failure.self) { try EndpointOptions.parse(["--endpoints", "http://a:1", "--ca-file", "/etc/hosts"]).client(environment: [:]) }
        #expect(throws: (any Error).self) { try EndpointOptions.parse(["--cert-file", "x"]) }
    }

    @Test func `new members are announced with whole URLs`() throws {
        #expect(try MemberChange.urls("https://a:1,https://b:2") == ["https://a:1", "https://b:2"])
        let failure = #expect(throws: Failure.self) { try MemberChange.urls("a:1") }
        #expect(failure?.description == "--peer-urls: \"a:1\" has no scheme; write https://a:1")
    }

    @Test func `a remote store is one prefix, and its certificates go together`() throws {
        func read(_ words: String...) throws -> RemoteStore? { try RemoteStoreOptions.parse(words).remoteStore() }
        #expect(try read() == nil)
        let store = try read("--store", "https://a:2379,https://b:2379", "--store-prefix", "/lab/")
        #expect(store?.description == "https://a:2379,https://b:2379/lab")
        #expect(try read("--store", "a:1")?.tls == nil)
        #expect(try read("--store", "a:1")?.prefix == "/plasma.cloud")
        #expect(throws: Failure.self) { try read("--store", "a:1", "--store-prefix", "/") }
        #expect(throws: Failure.self) { try read("--store", "a:1", "--store-ca-file", "/etc/hosts") }
        #expect(throws: Failure.self) { try read("--store-ca-file", "/etc/hosts") }
        #expect(throws: Failure("--store: \"x\" is not an address with a port; write one such as https://10.0.0.1:2379 (2380 for peers)")) { try read("--store", "x") }
    }
}
