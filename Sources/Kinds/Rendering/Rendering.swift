import Manifest
import NixOS
import Resource

/// From records to the description that NixOS systems are rendered from.
package enum Rendering {
    /// What a rendering lacks.
    package struct Problem: Hashable, Sendable, CustomStringConvertible {
        package var object: Reference
        /// What is wrong and what to do.
        package var message: String

        package var description: String { "\(object): \(message)" }
    }

    /// Everything that stands against a rendering.
    package struct Refusal: Error, Hashable, CustomStringConvertible {
        package var problems: [Problem]

        package var description: String { problems.map(\.description).joined(separator: "\n") }
    }

    /// The cluster that a node belongs to; nil: none.
    package static func cluster(of node: String, _ lookup: some RecordLookup) -> Resource<Cluster>? {
        lookup.list(Cluster.self).first { $0.spec.nodes.contains { $0.scalarText == node } }
    }

    /// The certificate of a node: the one that names it, the first of them by name, and one that leaves only where there is no other.
    package static func certificate(of node: String, _ lookup: some RecordLookup) -> Resource<Certificate>? {
        let own = lookup.list(Certificate.self).filter { $0.spec.node?.scalarText == node && !$0.spec.isCA }
        return own.first { !$0.metadata.isLeaving } ?? own.first
    }

    /// The lists of all authorities whose certificates the members of a cluster trust, PEM; nil before its own authority has one.
    static func revocationLists(of cluster: Resource<Cluster>, _ lookup: some RecordLookup) -> String? {
        guard let name = cluster.spec.trust?.certificateAuthority.scalarText,
            let own = lookup.glance(CertificateAuthority.self, name)?.status?.detail, let list = own.crl
        else { return nil }
        let roots = Set((own.trust ?? []).map(\.fingerprint))
        let others = lookup.list(CertificateAuthority.self).filter { other in
            other.name != name && other.status?.detail.trust?.contains { roots.contains($0.fingerprint) } == true
        }
        return ([list] + others.compactMap { $0.status?.detail.crl }).map { $0.hasSuffix("\n") ? $0 : $0 + "\n" }.joined()
    }

    /// Nodes that no Cluster names: nothing can be rendered for them.
    package static func strays(_ lookup: some RecordLookup) -> [Problem] {
        let taken = Set(lookup.list(Cluster.self).flatMap(\.spec.nodes))
        return lookup.list(Node.self).filter { node in !taken.contains { $0.scalarText == node.name } }.map {
            Problem(object: $0.reference, message: "belongs to no Cluster; name it in spec.nodes of one")
        }
    }

    /// - Parameter only: the one node that is to be rendered, and whose own record must be complete; of the others only
    ///   what it needs of them is asked for (their names and addresses). nil: all are.
    /// - Parameter joinsThrough: names the node through which that one joins a cluster that has formed already, though it
    ///   may be one of its founders.
    /// - Parameter hasRevocationLists: the nodes are given `revocationLists` too.
    /// - Throws: `Refusal` with everything that is missing.
    package static func description(
        of cluster: Resource<Cluster>, lookup: some RecordLookup, only: String? = nil, joinsThrough: String? = nil, hasRevocationLists: Bool = false
    ) throws(Refusal) -> ClusterDescription {
        var reading = ClusterReading(cluster: cluster, lookup: lookup, only: only, joinsThrough: joinsThrough)
        var description = reading.read()
        description.hasRevocationLists = hasRevocationLists && description.isSecure
        guard reading.problems.isEmpty else { throw Refusal(problems: reading.problems) }
        return description
    }
}

/// Reads one cluster and notes what is missing.
private struct ClusterReading<Lookup: RecordLookup> {
    let cluster: Resource<Cluster>
    let lookup: Lookup
    let only: String?
    let joinsThrough: String?
    var problems: [Rendering.Problem] = []

    mutating func note(_ object: Reference, _ message: String) { problems.append(Rendering.Problem(object: object, message: message)) }

    mutating func read() -> ClusterDescription {
        let spec = cluster.spec
        let services = readServices()
        var nodes: [NodeDescription] = []
        for name in spec.nodes.map(\.scalarText) {
            guard let node = lookup.get(Node.self, name) else {
                note(cluster.reference, "names Node/\(name), which does not exist; apply it too, or leave it out of spec.nodes")
                continue
            }
            if let node = read(node, services) { nodes.append(node) }
        }
        for node in nodes where spec.trust != nil && only.map({ $0 == node.name }) ?? true {
            checkCertificate(node.name)
        }
        return ClusterDescription(
            name: cluster.name, domain: spec.domain.scalarText, nodes: nodes,
            initialPeers: spec.bootstrap.mode == .bootstrap ? spec.bootstrap.initialPeers.map(\.scalarText) : [],
            leaderURL: spec.bootstrap.leaderURL?.scalarText, isSecure: spec.trust != nil, services: services.map(\.description),
            heartbeatInterval: spec.raft?.heartbeatInterval.scalarText, electionTimeout: spec.raft?.electionTimeout.scalarText)
    }

    /// Services of the cluster and those of its nodes, each once: first the cluster's, in its order.
    private mutating func readServices() -> [(description: ServiceDescription, spec: Service.Spec)] {
        let members = Set(cluster.spec.nodes)
        var names = cluster.spec.services
        for node in cluster.spec.nodes { names += lookup.get(Node.self, node.scalarText)?.spec.services ?? [] }
        let placed = lookup.list(Service.self).filter { !members.isDisjoint(with: $0.spec.nodes) }.map(\.name)
        var seen: Set<String> = []
        return (names.map(\.scalarText) + placed).compactMap { name in
            guard seen.insert(name).inserted else { return nil }
            guard let service = lookup.glance(Service.self, name) else {
                note(cluster.reference, "runs Service/\(name), which does not exist; apply it too, or leave it out")
                return nil
            }
            if let certificate = service.spec.certificate {
                note(
                    service.reference,
                    "serves with Certificate/\(certificate), but only the nodes' own are rendered in this version; leave spec.certificate out")
            }
            return (ServiceDescription(service), service.spec)
        }
    }

    private mutating func read(_ node: Resource<Node>, _ services: [(description: ServiceDescription, spec: Service.Spec)])
        -> NodeDescription?
    {
        let isWhole = only.map { $0 == node.name } ?? true
        guard let interface = node.spec.interfaces.first(where: { $0.network == cluster.spec.network }) else {
            note(node.reference, "has no interface on Network/\(cluster.spec.network), the network of \(cluster.reference); add one")
            return nil
        }
        guard let address = interface.address else {
            note(node.reference, "has no address on Network/\(cluster.spec.network); members of a cluster need static ones: give the interface an address")
            return nil
        }
        let disks = node.spec.disks.compactMap { disk in disk.layout.map { (disk, $0) } }
        if isWhole, disks.isEmpty {
            note(node.reference, "has no disk with a layout, so nothing could be installed; write spec.disks[].layout")
        }
        var devices = NixValue.attributes([:])
        for (disk, layout) in disks { devices = devices.merged(with: layout.disko(of: disk)) }
        let running = services.filter { service in
            let names = service.spec.nodes.map(\.scalarText)
            return (names.isEmpty ? cluster.spec.services.contains { $0.scalarText == service.description.name } : names.contains(node.name))
                || node.spec.services.contains { $0.scalarText == service.description.name }
        }
        let isVirtual = if case .virtual = node.spec.machine { true } else { false }
        return NodeDescription(
            name: node.name, hostname: node.spec.hostname.scalarText,
            domain: (node.spec.domain ?? cluster.spec.domain).scalarText, role: node.spec.role.rawValue, isVirtual: isVirtual,
            firmware: node.spec.machine.firmware == .uefi ? .uefi : .bios, address: address.scalarText,
            interfaces: isWhole ? node.spec.interfaces.compactMap { read($0, of: node) } : [], devices: devices,
            espMountpoint: disks.lazy.compactMap { $0.1.espMountpoint }.first,
            bootDisks: disks.contains { $0.1.hasBIOSBootPartition } ? [] : disks.first.map { [$0.0.device.scalarText] } ?? [],
            services: running.map(\.description.name), isRendered: isWhole, joinsThrough: only == node.name ? joinsThrough : nil)
    }

    private mutating func read(_ interface: Node.Interface, of node: Resource<Node>) -> InterfaceDescription? {
        guard let network = lookup.get(Network.self, interface.network.scalarText) else {
            note(node.reference, "is on Network/\(interface.network), which does not exist; apply it too")
            return nil
        }
        return InterfaceDescription(
            network: network.name, mac: interface.mac.scalarText, address: interface.address?.scalarText,
            prefixLength: network.spec.subnet.prefixLength, gateway: network.spec.gateway?.scalarText,
            dns: network.spec.dns.map(\.scalarText), mtu: network.spec.mtu)
    }

    private mutating func checkCertificate(_ node: String) {
        guard let authority = cluster.spec.trust?.certificateAuthority else { return }
        let reference = Reference(Node.self, node)
        guard let certificate = Rendering.certificate(of: node, lookup) else {
            note(reference, "has no Certificate, but \(cluster.reference) has a trust; apply a Certificate with spec.node: \(node)")
            return
        }
        if certificate.spec.issuerRef.name != authority {
            note(
                certificate.reference,
                "is issued by \(certificate.spec.issuerRef.name), but \(cluster.reference) trusts \(authority); one of the two must change")
        }
    }
}

extension ServiceDescription {
    fileprivate init(_ service: Resource<Service>) {
        let spec = service.spec
        let authentication: ClusterDescription.ClientAuthentication =
            switch spec.clientAuth {
            case .none: .none
            case .request: .optional
            case .require: .required
            }
        self.init(
            name: service.name, unit: spec.unit ?? service.name + ".service",
            ports: spec.ports.map { Port(name: $0.name, port: $0.port, isUDP: $0.protocol == .udp) },
            dependsOn: spec.dependsOn.map(\.scalarText), clientAuthentication: authentication)
    }
}
