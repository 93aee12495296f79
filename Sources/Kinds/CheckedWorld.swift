import Manifest
import Resource

/// All objects as they would stand once the drafts are applied, for rules that join several of them.
/// Of two objects that collide the later one is told, and what the store holds comes before every draft.
struct CheckedWorld {
    struct Entry<K: Kind> {
        var resource: Resource<K>
        /// nil: stored already, and not written in this manifest.
        var draft: Draft?

        var name: String { resource.name }
        var reference: Reference { resource.reference }
        var spec: K.Spec { resource.spec }

        /// "Node/node01 (lab.yaml:12:9)"
        func described(at path: String) -> String {
            guard let draft else { return "\(reference)" }
            let mark = draft.mark(of: path)
            return "\(reference) (\(draft.file):\(mark.line):\(mark.column))"
        }

        /// What is there is only an example, and what was written has been told of already.
        func isBroken(_ path: String) -> Bool { draft.map { !$0.isSound && $0.isBroken(at: path) } ?? false }

        /// Nothing when it is not in this manifest, where nobody could mend it; or when something else is wrong there.
        func problem(_ path: String, _ message: String) -> [Problem] {
            guard let draft, !isBroken(path) else { return [] }
            return [draft.problem(path, message)]
        }

        /// Who has the value already; nil: now this has it, at the path.
        func claim<Key: Hashable>(_ key: Key, in owners: inout FirstOwners<Key>, at path: String) -> String? {
            isBroken(path) ? nil : owners.claim(key) { described(at: path) }
        }
    }

    let clusters: [Entry<Cluster>]
    let networks: [Entry<Network>]
    let nodes: [Entry<Node>]
    let machines: [Entry<VirtualMachine>]
    let disks: [Entry<Disk>]
    let authorities: [Entry<CertificateAuthority>]
    let certificates: [Entry<Certificate>]
    let netBoots: [Entry<NetBoot>]
    let installations: [Entry<Installation>]
    let services: [Entry<Service>]
    private let names: [String: Set<String>]
    private let leaving: Set<Reference>
    private let networksByName: [String: Entry<Network>]
    private let nodesByName: [String: Entry<Node>]
    private let disksByName: [String: Entry<Disk>]
    /// The node that makes a disk, by the disk's name.
    private let nodesByDisk: [String: Entry<Node>]

    init(_ drafts: [Draft], beside stored: [any AnyResource]) {
        let drafted = Set(drafts.map(\.reference))
        let children = Set(stored.filter { $0.metadata.owner != nil }.map(\.reference))
        let kept = stored.filter { !drafted.contains($0.reference) && $0.metadata.owner == nil && !$0.metadata.isLeaving }
            .sorted { $0.reference < $1.reference }
        let judged = drafts.filter { !children.contains($0.reference) }
        func entries<K: Kind>(_: K.Type) -> [Entry<K>] {
            kept.compactMap { ($0 as? Resource<K>).map { Entry(resource: $0, draft: nil) } }
                + judged.compactMap { draft in (draft.resource as? Resource<K>).map { Entry(resource: $0, draft: draft) } }
        }
        clusters = entries(Cluster.self)
        networks = entries(Network.self)
        nodes = entries(Node.self)
        machines = entries(VirtualMachine.self)
        disks = entries(Disk.self)
        authorities = entries(CertificateAuthority.self)
        certificates = entries(Certificate.self)
        netBoots = entries(NetBoot.self)
        installations = entries(Installation.self)
        services = entries(Service.self)
        leaving = Set(stored.filter(\.metadata.isLeaving).map(\.reference))
        var names: [String: Set<String>] = [:]
        for reference in drafted.union(stored.filter { !$0.metadata.isLeaving }.map(\.reference)) {
            names[reference.kind, default: []].insert(reference.name)
        }
        var nodesByDisk: [String: Entry<Node>] = [:]
        for node in nodes {
            for disk in node.spec.disks { nodesByDisk["\(node.name)-\(disk.deviceName)"] = node }
        }
        names[Disk.name, default: []].formUnion(nodesByDisk.keys)
        self.names = names
        self.nodesByDisk = nodesByDisk
        networksByName = Dictionary(networks.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        nodesByName = Dictionary(nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        disksByName = Dictionary(disks.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func has<K: Kind>(_: K.Type, _ name: ObjectName) -> Bool { names[K.name]?.contains(name.scalarText) ?? false }

    func isLeaving<K: Kind>(_: K.Type, _ name: ObjectName) -> Bool { leaving.contains(Reference(K.self, name.scalarText)) }

    func names<K: Kind>(of _: K.Type) -> [String] { names[K.name]?.sorted() ?? [] }

    // What others are judged by must be as it was written: these give nothing that is broken where it counts.
    func network(_ name: ObjectName) -> Entry<Network>? {
        networksByName[name.scalarText].flatMap { network in
            ["spec.driver", "spec.subnet", "spec.gateway"].contains { network.isBroken($0) } ? nil : network
        }
    }
    func node(_ name: ObjectName) -> Entry<Node>? {
        nodesByName[name.scalarText].flatMap { $0.isBroken("spec.interfaces") ? nil : $0 }
    }
    func disk(_ name: ObjectName) -> Entry<Disk>? { disksByName[name.scalarText] }
    func maker(ofDisk name: String) -> Entry<Node>? { nodesByDisk[name] }

}

/// Remembers who had a value first.
struct FirstOwners<Key: Hashable> {
    private var owners: [Key: () -> String] = [:]

    /// Who has it already; nil: now `owner` has, whose words are only made when asked for.
    mutating func claim(_ key: Key, _ owner: @escaping () -> String) -> String? {
        if let first = owners[key] { return first() }
        owners[key] = owner
        return nil
    }
}
