import Foundation
import Manifest

extension MemberConfiguration {
    /// Reads a file's document with the flags laid over it.
    /// - Parameters:
    ///   - file: nil when there are only flags.
    ///   - directory: where relative paths start: the file's, or the working directory.
    ///   - hostName: the name of a member that was given none.
    /// - Throws: `InvalidManifest` with every problem, each with its line and column.
    static func read(
        _ bytes: [UInt8]?, file: String, flags: MemberFlags? = nil, directory: String, hostName: String
    ) throws -> MemberConfiguration {
        var root = Value(mark: .first, shape: .mapping([]))
        if let bytes {
            let (documents, problems) = YAML.read(bytes, file: file)
            guard problems.isEmpty else { throw InvalidManifest(problems: problems) }
            guard documents.count <= 1 else { throw Failure("\(file): there are \(documents.count) documents; a member has one") }
            root = documents.first ?? root
        }
        let (own, notices) = withoutForeignKeys(root)
        let given = flags?.members ?? []
        root = own.without(Self.synonyms(of: given)).overlaid(with: given)
        var fields = Fields(reading: root, file: file, object: "", path: "")
        var configuration = MemberConfiguration(&fields, root: root, directory: directory, hostName: hostName)
        fields.finish()
        guard fields.problems.isEmpty else { throw InvalidManifest(problems: fields.problems) }
        configuration.notices += notices
        return configuration
    }

    /// Keys of a file that say the same as a flag does in other words: the flag goes before them, too.
    private static func synonyms(of flags: [Value.Member]) -> [String] {
        flags.compactMap {
            switch $0.key {
            case "name": "node_id"
            case "join_token_file": "join_token"
            default: nil
            }
        }
    }

    /// Leaves out what others read from the same file.
    private static func withoutForeignKeys(_ root: Value) -> (Value, notices: [String]) {
        let found = root.members.compactMap { member in reader(of: member.key).map { (member.key, "\(member.key) is \($0); chainfire ignores it") } }
        return (root.without(found.map(\.0)), found.map(\.1))
    }

    /// Whose a key of cluster-config.json is that says nothing to a member; nil: its own.
    private static func reader(of key: String) -> String? {
        switch key {
        case "cluster_name", "domain", "node_role": "for people and other services"
        case let key where key.hasPrefix("flaredb_"): "FlareDB's"
        default: nil
        }
    }

    /// Asks for every key that there is; `--help` is drawn from the same calls.
    init(_ fields: inout Fields, root: Value, directory: String, hostName: String) {
        func absolute(_ path: String) -> String {
            ((path.hasPrefix("/") ? path : directory + "/" + path) as NSString).standardizingPath
        }
        let nodeID: String? = fields.optional("node_id", "The same as name, as PlasmaCloud's cluster-config.json has it.")
        let given: String? = fields.optional("name", "This member's name, as it stands in initial_peers. Default: the host's name.")
        name = given ?? nodeID ?? hostName
        if let given, let nodeID, given != nodeID { fields.note("is \"\(nodeID)\", but name is \"\(given)\"; give one", at: "node_id") }
        if name.isEmpty || name.contains("=") || name.contains(",") { fields.note("\"\(name)\" is no name: it is empty, or has = or , in it", at: "name") }

        self.directory = absolute(fields.required("data_dir", "The directory of the state and the log; made when it is missing."))
        let tls = Self.readTLS(&fields, absolute)
        clientTLS = tls.client
        peerTLS = tls.peer

        let isBootstrap: Bool? = fields.optional(
            "bootstrap", "true: begin a cluster together with all of initial_peers, which is the same on all members. false: join by leader_url.")
        let founders = Self.readFounders(&fields, root: root, isSecure: peerTLS != nil)
        let isSecure = peerTLS != nil
        if let url = founders.map(\.url).first(where: { $0.isSecure != isSecure }) {
            fields.note(
                !isSecure
                    ? "\(url) is https, but there is no tls.peer: members would speak in clear; give tls.peer, or write http"
                    : "\(url) is http, but tls.peer has a certificate for it; write https", at: "initial_peers")
        }
        let leader: MemberURL? = fields.optional("leader_url", "With bootstrap: false, the client URL of any member of the cluster to join; where it does not answer, the hosts of initial_peers are asked at that port. Ignored with bootstrap: true.")
        joinToken = Self.readToken(&fields, absolute)
        if isBootstrap == true, leader != nil { notices.append("leader_url is for bootstrap: false; who begins a cluster joins none, and ignores it") }
        beginning = Self.beginning(
            &fields, isBootstrap: isBootstrap, founders: founders, leader: leader, name: name, hasToken: joinToken != nil,
            hasPeerList: root["initial_peers"].map { !$0.isNull && !$0.isEmptyList } ?? false)
        let founder = name
        let own = founders.first { $0.name == founder }?.url
        let ports = Self.readPorts(&fields, own: own, client: clientTLS, peer: peerTLS, root: root)
        (listenClient, listenPeer, listenMetrics) = (ports.client, ports.peer, ports.metrics)
        (advertiseClient, advertisePeer) = (ports.advertiseClient, ports.advertisePeer)

        heartbeat = fields.value("heartbeat_interval", default: TimeSpan(milliseconds: 100), "How often a leader is heard, 10ms to 10s.")
        election = fields.value("election_timeout", default: TimeSpan(milliseconds: 500), "How long without a leader until an election; up to twice as long.")
        if !(TimeSpan(milliseconds: 10)...TimeSpan(milliseconds: 10_000)).contains(heartbeat) { fields.note("is not from 10ms to 10s", at: "heartbeat_interval") }
        if election.milliseconds < 4 * heartbeat.milliseconds || election > .seconds(60) {
            fields.note("\"\(election)\" is not from 4 times heartbeat_interval (\(heartbeat)) to 1m", at: "election_timeout")
        }
        leaseReads = fields.value(
            "lease_reads", default: false,
            "true: a leader that heard a majority within less than half of election_timeout answers linearizable reads without asking again; as right as the members' clocks run equally fast. The same on all members; change it with all of them stopped.")
        quota = fields.size(
            "quota_bytes", ByteCount(0)...ByteCount.tebibytes(1), default: .gibibytes(2), "Most live bytes; writes beyond are refused, deletes are not. 0: no limit.").bytes
        let keep = fields.integer(
            "compaction_keep", 0...1_000_000_000, default: 10_000, "Revisions that stay readable when the store compacts itself; 0: it never does.")
        compactionKeep = keep == 0 ? nil : Int64(keep)
        snapshotBytes = Int(fields.size(
            "snapshot_bytes", ByteCount.mebibytes(1)...ByteCount.gibibytes(4), default: .mebibytes(32),
            "Bytes of log after which the state is checkpointed and the log cut.").bytes)
        cacheBytes = Int(fields.size(
            "cache_bytes", ByteCount.mebibytes(1)...ByteCount.tebibytes(1), default: .mebibytes(64), "Memory for values; older ones are read from disk.").bytes)
        if clientTLS == nil, !listenClient.isLoopback { notices.append("clients are served at \(listenClient) without TLS: whoever reaches it may do anything") }
    }

    private static func beginning(
        _ fields: inout Fields, isBootstrap: Bool?, founders: [PeerText], leader: MemberURL?, name: String, hasToken: Bool, hasPeerList: Bool
    ) -> Beginning {
        guard isBootstrap ?? (leader == nil) else {
            if !hasToken { fields.note("join_token or join_token_file is required with bootstrap: false; it is the one that the members were started with") }
            guard let leader else {
                fields.note("is required with bootstrap: false: the client URL of any member, such as https://10.0.0.1:2379", at: "leader_url")
                return .alone
            }
            let hosts = founders.filter { $0.name != name && $0.url.host != leader.host }.map(\.url.host)
            return .join(leader, others: hosts.map { MemberURL(host: $0, port: leader.port, isSecure: leader.isSecure) })
        }
        guard !founders.isEmpty else {
            if isBootstrap == true, !hasPeerList { fields.note("is required with bootstrap: true, the same list on all members", at: "initial_peers") }
            return .alone
        }
        let names = founders.map(\.name)
        for (index, founder) in founders.enumerated() {
            if names.firstIndex(of: founder.name) != index { fields.note("\"\(founder.name)\" is there twice", at: "initial_peers") }
            if founders.firstIndex(where: { $0.url.host == founder.url.host && $0.url.port == founder.url.port }) != index {
                fields.note("\(founder.url) is there twice", at: "initial_peers")
            }
        }
        if !names.contains(name) {
            let hint = nearest(to: name, among: names).map { "; did you mean \"\($0)\"?" } ?? ": \(names.joined(separator: ", "))"
            fields.note("has no entry for this member, \"\(name)\"\(hint)", at: "initial_peers")
        }
        return .bootstrap(founders.map { Founder(name: $0.name, peerURL: $0.url.text(isSecure: true)) })
    }
}
