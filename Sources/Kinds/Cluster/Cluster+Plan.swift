import Reconcile
import Resource

extension Cluster {
    /// A cluster is seen through the records it names.
    package struct Sight: Hashable, Sendable {
        package init() {}
    }

    /// Ready when its network, its authority with the certificates that it issues, its nodes and its services are.
    package enum Planning: Planner {
        package typealias K = Cluster

        package static func plan(_ goal: Goal<Cluster>, given seen: Sight, _ reader: Reader) -> Plan<Cluster, NoAction> {
            var status = Status()
            guard case .present(let cluster) = goal else { return Plan(.ready, status: status) }
            let nodes = cluster.spec.nodes.map { Reference(Node.self, $0.scalarText) }
            let services = cluster.spec.services.map { Reference(Service.self, $0.scalarText) }
            func ready(_ references: [Reference]) -> Int { references.count { reader.get($0)?.isReady == true } }
            (status.nodes, status.nodesReady) = (nodes.count, ready(nodes))
            if !services.isEmpty { (status.services, status.servicesReady) = (services.count, ready(services)) }
            let needed = [Reference(Network.self, cluster.spec.network.scalarText)] + trusted(by: cluster, reader) + nodes + services
            for reference in needed {
                guard let record = reader.get(reference) else {
                    return Plan(.waiting(on: reference, "there is no such object; apply one of that name"), status: status)
                }
                if !record.isReady { return Plan(.waiting(on: reference, reason(record)), status: status) }
            }
            return Plan(.ready, status: status)
        }

        /// The authority, and the certificates that it issues to the cluster's nodes or to nobody in particular.
        private static func trusted(by cluster: Resource<Cluster>, _ reader: Reader) -> [Reference] {
            guard let name = cluster.spec.trust?.certificateAuthority.scalarText else { return [] }
            let authority = Reference(CertificateAuthority.self, name)
            let nodes = Set(cluster.spec.nodes.map(\.scalarText))
            let certificates = reader.mentioning(authority, Certificate.self).filter { certificate in
                certificate.spec.issuerRef.name.scalarText == name && !certificate.metadata.isLeaving
                    && (certificate.spec.node.map { nodes.contains($0.scalarText) } ?? true)
            }
            // Kinds that nobody brings to their goal are recorded, and not waited for.
            return ([authority] + certificates.map(\.reference)).filter { Catalog.reconciled.contains($0.kind) }
        }

        package static func foresee(_ action: NoAction, in seen: Sight) -> Sight { seen }
    }

    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        package init() {}
        package func observe(_ goal: Goal<Cluster>, _ reader: Reader) async throws -> Sight { Sight() }
        package func perform(_ action: NoAction) async throws {}
    }
}
