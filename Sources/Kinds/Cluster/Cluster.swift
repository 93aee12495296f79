import Manifest
import Resource

/// What belongs together: nodes on a network, the services they run, and whom they trust.
package enum Cluster: Kind {
    package static let name = "Cluster"
    package static let plural = "clusters"
    package static let summary = "A cluster: its domain, network, nodes, services, trust, and how it comes into being."
    package static let columns = [
        Column("DOMAIN", "spec.domain"), Column("NETWORK", "spec.network"), Column("NODES", "status.nodes"),
        Column("NODES-READY", "status.nodesReady"), Column("SERVICES", "status.services", wide: true),
        Column("SERVICES-READY", "status.servicesReady", wide: true), Column("BOOTSTRAP", "spec.bootstrap.mode", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        var domain: DNSName
        /// Names the Network that its nodes reach each other on.
        var network: ObjectName
        var nodes: [ObjectName]
        /// Services that run on every node, unless they name their nodes themselves.
        var services: [ObjectName]
        var bootstrap: Bootstrap
        var trust: Trust?
        /// nil: the services' own times.
        var raft: RaftTimes?
    }

    /// How patient the members of its Raft groups are; for machines that are slow or far from each other.
    package struct RaftTimes: Codable, Hashable, Sendable {
        var heartbeatInterval: TimeSpan
        /// How long without a leader until an election; up to twice as long.
        var electionTimeout: TimeSpan
    }

    package struct Bootstrap: Codable, Hashable, Sendable {
        package enum Mode: String, Codable, Hashable, Sendable, CaseIterable {
            /// The initial peers form a new cluster; nodes beside them join it.
            case bootstrap
            /// All nodes join a cluster that exists, through `leaderURL`.
            case join
        }

        var mode: Mode
        /// Nodes that form the cluster together; meaningful with mode `bootstrap`.
        var initialPeers: [ObjectName]
        var leaderURL: HTTPURL?
        /// How many of its nodes are installed at once; nil in records of earlier versions: 3.
        var installsAtOnce: Int?

        static let usualInstallsAtOnce = 3
    }

    package struct Trust: Codable, Hashable, Sendable {
        /// Names the CertificateAuthority that signs for its services.
        var certificateAuthority: ObjectName
    }

    package struct Status: Codable, Hashable, Sendable {
        /// How many nodes it has, and how many of them are ready.
        var nodes: Int?
        var nodesReady: Int?
        var services: Int?
        var servicesReady: Int?

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(
            domain: fields.required("domain", "DNS domain of its nodes: plasma.local."),
            network: fields.required("network", "Names the Network that its nodes reach each other on."),
            nodes: fields.scalars("nodes", ObjectName.self, 1...16384, "Names its Nodes."),
            services: fields.scalars("services", ObjectName.self, "Names the Services that run on every node."),
            bootstrap: fields.object("bootstrap", "How the cluster comes into being.", readBootstrap),
            trust: fields.optionalObject("trust", "Whom its services trust.") { fields in
                Trust(
                    certificateAuthority: fields.required(
                        "certificateAuthority", "Names the CertificateAuthority that signs for its services."))
            },
            raft: fields.optionalObject("raft", "How patient the members of its Raft groups are.", readRaft))
    }

    private static func readRaft(_ fields: inout Fields) -> RaftTimes {
        let times = RaftTimes(
            heartbeatInterval: fields.value("heartbeatInterval", default: TimeSpan(milliseconds: 100), "How often a leader is heard, 10ms to 10s."),
            electionTimeout: fields.value(
                "electionTimeout", default: TimeSpan(milliseconds: 500), "How long without a leader until an election; up to twice as long."))
        guard !fields.isDrawing, fields.problems.isEmpty else { return times }
        if !(TimeSpan(milliseconds: 10)...TimeSpan.seconds(10)).contains(times.heartbeatInterval) {
            fields.note("\"\(times.heartbeatInterval)\" is not from 10ms to 10s", at: "heartbeatInterval")
        }
        if times.electionTimeout.milliseconds < 4 * times.heartbeatInterval.milliseconds || times.electionTimeout > .minutes(1) {
            fields.note(
                "\"\(times.electionTimeout)\" is not from 4 times heartbeatInterval (\(times.heartbeatInterval)) to 1m", at: "electionTimeout")
        }
        return times
    }

    private static func readBootstrap(_ fields: inout Fields) -> Bootstrap {
        let bootstrap = Bootstrap(
            mode: fields.choice(
                "mode", default: .bootstrap,
                "bootstrap: the initial peers form a new cluster. join: all nodes join through leaderURL."),
            initialPeers: fields.scalars(
                "initialPeers", ObjectName.self, 0...9, "Names the Nodes that form the cluster together."),
            leaderURL: fields.optional("leaderURL", "A member of the cluster to join: https://10.0.0.11:2379."),
            installsAtOnce: fields.integer(
                "installsAtOnce", 1...64, default: Bootstrap.usualInstallsAtOnce, "How many of its nodes are installed at once."))
        guard !fields.isDrawing, fields.problems.isEmpty else { return bootstrap }
        switch bootstrap.mode {
        case .bootstrap:
            if bootstrap.initialPeers.isEmpty {
                fields.note("names no node; in mode bootstrap at least one forms the cluster", at: "initialPeers")
            }
            if bootstrap.leaderURL != nil { fields.note("is for mode join, but the mode is bootstrap", at: "leaderURL") }
        case .join:
            if !bootstrap.initialPeers.isEmpty { fields.note("is for mode bootstrap, but the mode is join", at: "initialPeers") }
            if bootstrap.leaderURL == nil { fields.note("is required in mode join", at: "leaderURL") }
        }
        return bootstrap
    }
}
