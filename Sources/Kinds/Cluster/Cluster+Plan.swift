import Reconcile
import Resource

extension Cluster {
    /// A cluster is seen through the records it names.
    package struct Sight: Hashable, Sendable {
        package init() {}
    }

    /// Ready when its network and all its nodes are.
    package enum Planning: Planner {
        package typealias K = Cluster

        package static func plan(_ goal: Goal<Cluster>, given seen: Sight, _ reader: Reader) -> Plan<Cluster, NoAction> {
            var status = Status()
            guard case .present(let cluster) = goal else { return Plan(.ready, status: status) }
            let references = [Reference(Network.self, cluster.spec.network.scalarText)]
                + cluster.spec.nodes.map { Reference(Node.self, $0.scalarText) }
            let records = references.map { ($0, reader.get($0)) }
            status.nodes = cluster.spec.nodes.count
            status.nodesReady = records.dropFirst().count { $0.1?.isReady == true }
            for (reference, record) in records {
                guard let record else {
                    return Plan(.waiting(on: reference, "there is no such object; apply one of that name"), status: status)
                }
                if !record.isReady { return Plan(.waiting(on: reference, reason(record)), status: status) }
            }
            return Plan(.ready, status: status)
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
