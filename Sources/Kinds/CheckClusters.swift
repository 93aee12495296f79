import Manifest
import Resource

/// A cluster's nodes can reach each other and form it; authorities and netboot servers do not contradict one another.
func checkClusters(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var members = FirstOwners<ObjectName>()
    for cluster in world.clusters {
        let spec = cluster.spec
        guard !cluster.isBroken("spec.nodes") else { continue }
        var seen: Set<ObjectName> = []
        for (index, name) in spec.nodes.enumerated() where seen.insert(name).inserted {
            let path = "spec.nodes[\(index)]"
            if let first = cluster.claim(name, in: &members, at: path) {
                problems += cluster.problem(path, "\"\(name)\" already belongs to \(first)")
            }
            if let node = world.node(name), !node.spec.isOn(spec.network), !cluster.isBroken("spec.network") {
                problems += cluster.problem(
                    path, "\"\(name)\" has no interface on Network/\(spec.network), the cluster's network")
            }
        }
        for (index, name) in spec.bootstrap.initialPeers.enumerated() where !seen.contains(name) && world.has(Node.self, name) {
            problems += cluster.problem(
                "spec.bootstrap.initialPeers[\(index)]", "\"\(name)\" is not among the nodes of this Cluster")
        }
    }
    return problems + checkGroups(world) + checkNetBoots(world) + checkIssuers(world)
}

/// The members of a Raft group are the nodes of one cluster.
private func checkGroups(_ world: CheckedWorld) -> [Problem] {
    // One that names its nodes itself runs there alone.
    guard world.services.first(where: { $0.name == Service.clustered })?.spec.nodes.isEmpty ?? true else { return [] }
    var groups = FirstOwners<ObjectName>()
    return world.clusters.filter { !$0.isBroken("spec.services") }.flatMap { cluster in
        cluster.spec.services.indices.filter { cluster.spec.services[$0].scalarText == Service.clustered }.prefix(1).flatMap { index in
            let path = "spec.services[\(index)]", name = cluster.spec.services[index]
            guard let first = cluster.claim(name, in: &groups, at: path) else { return [Problem]() }
            return cluster.problem(
                path, "\"\(name)\" runs on the nodes of \(first) already, and its members are one Raft group; leave it out here, or have another plasma server keep this cluster")
        }
    }
}

private func checkNetBoots(_ world: CheckedWorld) -> [Problem] {
    var problems: [Problem] = []
    var servers = FirstOwners<ObjectName>()
    for netBoot in world.netBoots {
        let spec = netBoot.spec
        if world.network(spec.network)?.spec.driver == .user {
            problems += netBoot.problem(
                "spec.network",
                "\"\(spec.network)\" has driver user, where nothing can be offered: QEMU answers DHCP there itself")
        }
        if spec.dhcp.mode == .server, let first = netBoot.claim(spec.network, in: &servers, at: "spec.network") {
            problems += netBoot.problem("spec.network", "\"\(spec.network)\" already has a DHCP server: \(first)")
        }
        for (index, name) in spec.nodes.enumerated() where !netBoot.isBroken("spec.network") && !netBoot.isBroken("spec.nodes") {
            guard let node = world.node(name), !node.spec.isOn(spec.network) else { continue }
            problems += netBoot.problem("spec.nodes[\(index)]", "\"\(name)\" has no interface on Network/\(spec.network)")
        }
    }
    return problems
}

private func checkIssuers(_ world: CheckedWorld) -> [Problem] {
    let authorities = Dictionary(world.authorities.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var problems: [Problem] = []
    for circle in circles(world.authorities.map { ($0.name, $0.spec.issuerRef.map { [$0.name.scalarText] } ?? []) }) {
        problems +=
            authorities[circle[0]]?.problem(
                "spec.issuerRef.name", "is issued by itself: \(circle.joined(separator: " → ")); a root has no issuerRef") ?? []
    }
    func outlives(_ issuer: ObjectName?, _ duration: TimeSpan) -> String? {
        guard let issuer, let authority = authorities[issuer.scalarText], !authority.isBroken("spec.duration"),
            authority.spec.duration < duration
        else { return nil }
        let owner = authority.described(at: "spec.duration")
        return "\"\(duration)\" is longer than its issuer lives: \(authority.spec.duration) of \(owner)"
    }
    // RFC 5280, 4.2.1.9: how many authorities may follow one in a chain.
    func isTooDeep(below issuer: ObjectName?) -> String? {
        var next = issuer, seen: Set<String> = []
        while let name = next?.scalarText, seen.insert(name).inserted, let authority = authorities[name] {
            if let most = authority.spec.maxPathLength, most < seen.count, !authority.isBroken("spec.maxPathLength") {
                let owner = authority.described(at: "spec.maxPathLength")
                return "would be authority \(seen.count) below \(owner), which allows \(most == 0 ? "none" : "\(most)") (maxPathLength: \(most))"
            }
            next = authority.spec.issuerRef?.name
        }
        return nil
    }
    for certificate in world.certificates where certificate.spec.isCA {
        if let what = isTooDeep(below: certificate.spec.issuerRef.name) { problems += certificate.problem("spec.isCA", what) }
    }
    for authority in world.authorities {
        if let what = isTooDeep(below: authority.spec.issuerRef?.name) { problems += authority.problem("spec.issuerRef.name", what) }
    }
    for certificate in world.certificates {
        if let what = outlives(certificate.spec.issuerRef.name, certificate.spec.duration) {
            problems += certificate.problem("spec.duration", what)
        }
    }
    for authority in world.authorities {
        if let what = outlives(authority.spec.issuerRef?.name, authority.spec.duration) {
            problems += authority.problem("spec.duration", what)
        }
    }
    return problems
}

extension Node.Spec {
    fileprivate func isOn(_ network: ObjectName) -> Bool { interfaces.contains { $0.network == network } }
}
