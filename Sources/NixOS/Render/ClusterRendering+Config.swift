extension ClusterRendering {
    /// Where the ports are when the cluster has no object that says so.
    private static let chainfirePorts = (clients: 2379, raft: 2380, metrics: 2381)
    private static let flaredbPorts = (clients: 2479, raft: 2480)
    /// What of the file says how a member begins: of no interest to one that has begun.
    package static let beginningKeys: Set<String> = ["bootstrap", "flaredb_leader_url", "flaredb_peers", "initial_peers", "leader_url"]

    /// `cluster-config.json`: what the services of a node read at every start, and first boot once. Paths in it start
    /// from its own directory.
    func clusterConfig(of node: NodeDescription) -> NixValue {
        let chainfire = description.service("chainfire"), flaredb = description.service("flaredb")
        let clients = chainfire?.port("clients") ?? Self.chainfirePorts.clients
        let raft = chainfire?.port("raft") ?? Self.chainfirePorts.raft
        let metrics = chainfire?.port("metrics") ?? Self.chainfirePorts.metrics
        let flaredbClients = flaredb?.port("clients") ?? Self.flaredbPorts.clients
        let flaredbRaft = flaredb?.port("raft") ?? Self.flaredbPorts.raft
        let founders = description.initialPeers.compactMap(description.node)
        func peers(_ port: Int) -> NixValue { .strings(founders.map { "\($0.name)=\(url($0.address, port))" }) }

        // A founder that joins cannot do it through itself.
        let door = node.joinsThrough.map { through in description.node(through) ?? founders.first { $0.name != node.name } } ?? founders.first
        let leader = door.map { url($0.address, clients) } ?? description.leaderURL
        let flaredbLeader = door.map { url($0.address, flaredbClients) }
            ?? description.leaderURL.flatMap(ClusterRendering.host).map { url($0, flaredbClients) }
        return .set([
            "advertise_client": .string(url(node.address, clients)),
            "advertise_peer": .string(url(node.address, raft)),
            "bootstrap": .bool(node.joinsThrough == nil && description.initialPeers.contains(node.name)),
            "cluster_name": .string(description.name),
            "domain": .string(description.domain),
            "election_timeout": description.electionTimeout.map(NixValue.string),
            "flaredb_leader_url": flaredb == nil ? nil : flaredbLeader.map(NixValue.string),
            "flaredb_peers": flaredb == nil ? nil : peers(flaredbRaft),
            "heartbeat_interval": description.heartbeatInterval.map(NixValue.string),
            "initial_peers": peers(raft),
            "join_token_file": "join.token",
            "leader_url": leader.map(NixValue.string),
            "listen_client": .string("0.0.0.0:\(clients)"),
            "listen_metrics": .string("0.0.0.0:\(metrics)"),
            "listen_peer": .string("0.0.0.0:\(raft)"),
            "node_id": .string(node.name),
            "node_role": .string(node.role),
            "tls": description.isSecure ? tls(of: node, chainfire?.clientAuthentication ?? .optional) : nil,
        ])
    }

    private func tls(of node: NodeDescription, _ authentication: ClusterDescription.ClientAuthentication) -> NixValue {
        let files: NixValue = .set([
            "ca": "ca.crt", "cert": .string(node.name + ".crt"), "crl": description.hasRevocationLists ? "crl.pem" : nil, "key": .string(node.name + ".key"),
        ])
        return .set([
            "client": files.merged(with: .set(["client_auth": .string(authentication.rawValue)])),
            "peer": files,
        ])
    }

    private func url(_ host: String, _ port: Int) -> String {
        "\(description.isSecure ? "https" : "http")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// The host of "https://10.0.0.11:2379", of "https://[fd00::1]:2379" without the brackets.
    private static func host(of url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" }
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }
}
