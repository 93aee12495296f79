import Manifest
import Reconcile
import Resource

/// Where a Service runs, by the records as they stand.
struct ServicePlacement {
    struct Place {
        var node: String
        /// nil: no record of that name.
        var record: Resource<Node>?
        /// The authority that the node's Cluster trusts.
        var authority: String?

        /// Of its first interface that has one.
        var address: String? { record?.spec.interfaces.lazy.compactMap(\.address).first?.scalarText }
    }

    /// By node name, each once: those the Service names, else those of the Clusters that name it; and all Nodes that name it.
    let places: [Place]
    /// The one Cluster whose nodes these are; nil: none, or several, or the Service names its nodes itself.
    let cluster: String?
    /// The Clusters whose nodes these are, by name.
    let clusters: [String]

    init(of service: Resource<Service>, _ reader: Reader) {
        let reference = service.reference
        let clusters = reader.mentioning(reference, Cluster.self).filter { !$0.metadata.isLeaving }
        var authorities: [String: String] = [:]
        for cluster in clusters {
            guard let authority = cluster.spec.trust?.certificateAuthority.scalarText else { continue }
            for node in cluster.spec.nodes where authorities[node.scalarText] == nil { authorities[node.scalarText] = authority }
        }
        var names = Set(service.spec.nodes.map(\.scalarText))
        if names.isEmpty { for cluster in clusters { names.formUnion(cluster.spec.nodes.map(\.scalarText)) } }
        self.clusters = service.spec.nodes.isEmpty ? clusters.map(\.name).sorted() : []
        cluster = self.clusters.count == 1 ? self.clusters[0] : nil
        names.formUnion(reader.mentioning(reference, Node.self).filter { !$0.metadata.isLeaving }.map(\.name))
        places = names.sorted().map { Place(node: $0, record: reader.get(Node.self, $0), authority: authorities[$0]) }
    }

    /// Why nobody can tell whose members those of a Raft group are; nil: one cluster's, or nobody's.
    var contention: String? {
        guard clusters.count > 1 else { return nil }
        let names = clusters.map { "\(Reference(Cluster.self, $0))" }.joined(separator: " and ")
        return "it runs on the nodes of \(names), and its members are one Raft group; take it out of spec.services of all but one of them"
    }

    /// The authority that a cluster trusts.
    func authority(of cluster: String, _ reader: Reader) -> String? {
        reader.get(Cluster.self, cluster)?.spec.trust?.certificateAuthority.scalarText
    }
}

extension Node {
    /// Whether services can be expected on a node.
    enum Hosting: Hashable {
        case up
        case notYet(String)
    }

    /// Up when it is ready; and when its system was installed and its machine runs, whatever else is amiss there: then
    /// its services are asked all the same.
    static func hosting(of node: Resource<Node>?, _ reader: Reader) -> Hosting {
        guard let node else { return .notYet("there is no such object; apply one of that name") }
        if node.metadata.isLeaving { return .notYet("it is leaving") }
        if node.isReady { return .up }
        if node.spec.system != nil, let installation = Node.installation(of: node.name, reader), !installation.metadata.isLeaving {
            let detail = installation.status?.detail
            let isInstalled = installation.isReady || (detail?.system != nil && detail?.isRunning != true)
            if isInstalled, isRunning(node, reader) { return .up }
        }
        return .notYet(reason(node))
    }

    /// Seen from a service, which does not stand on it: what is copied to a node and who belongs to the service's cluster do
    /// not wait for one another.
    static func installation(of node: String, _ reader: Reader) -> Resource<Installation>? {
        reader.follower(Reference(Installation.self, node)) as? Resource<Installation>
    }

    private static func isRunning(_ node: Resource<Node>, _ reader: Reader) -> Bool {
        switch node.spec.machine {
        case .virtual: reader.get(VirtualMachine.self, node.name)?.isReady == true
        case .metal: true
        }
    }
}
