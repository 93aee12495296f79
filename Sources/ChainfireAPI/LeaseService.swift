import Chainfire
import Etcd
import Foundation
import GRPC
import Store

/// `etcdserverpb.Lease`.
struct LeaseService: Sendable {
    /// etcd's `lease.MaxLeaseTTL`.
    static let ttlMax: Int64 = 9_000_000_000

    let store: Chainfire
    let errands: Errands

    func register(in endpoints: inout Endpoints) {
        endpoints.unary("/etcdserverpb.Lease/LeaseGrant", ["lease/grant"], grant)
        endpoints.unary("/etcdserverpb.Lease/LeaseRevoke", ["lease/revoke", "kv/lease/revoke"], revoke)
        endpoints.unary("/etcdserverpb.Lease/LeaseTimeToLive", ["lease/timetolive", "kv/lease/timetolive"], timeToLive)
        endpoints.unary("/etcdserverpb.Lease/LeaseLeases", ["lease/leases", "kv/lease/leases"], leases)
        endpoints.stream("/etcdserverpb.Lease/LeaseKeepAlive", ["lease/keepalive"]) { [store] sink in
            KeepAliveSession(store, sink)
        }
    }

    @Sendable func grant(
        _ request: Etcdserverpb_LeaseGrantRequest, _ answer: @escaping Answer<Etcdserverpb_LeaseGrantResponse>
    ) {
        guard request.ttl <= Self.ttlMax else { return answer(.failure(.leaseTTLTooLarge)) }
        errands.answer(answer) { [store] in
            let lease = try await store.grantLease(id: request.id, ttl: request.ttl)
            var message = Etcdserverpb_LeaseGrantResponse()
            message.header = .init(store.header)
            message.id = lease.id
            message.ttl = lease.ttl
            return message
        }
    }

    @Sendable func revoke(
        _ request: Etcdserverpb_LeaseRevokeRequest, _ answer: @escaping Answer<Etcdserverpb_LeaseRevokeResponse>
    ) {
        errands.answer(answer) { [store] in
            try await store.revokeLease(request.id)
            var message = Etcdserverpb_LeaseRevokeResponse()
            message.header = .init(store.header)
            return message
        }
    }

    /// A lease that is not there has TTL -1, which is no error.
    @Sendable func timeToLive(
        _ request: Etcdserverpb_LeaseTimeToLiveRequest, _ answer: @escaping Answer<Etcdserverpb_LeaseTimeToLiveResponse>
    ) {
        errands.answer(answer) { [store] in
            let status = try await store.leaseStatus(request.id, keys: request.keys)
            var message = Etcdserverpb_LeaseTimeToLiveResponse()
            message.header = .init(store.header)
            message.id = request.id
            message.ttl = status?.ttl ?? -1
            message.grantedTtl = status?.granted ?? 0
            message.keys = (status?.keys ?? []).map { Data($0.bytes) }
            return message
        }
    }

    @Sendable func leases(
        _ request: Etcdserverpb_LeaseLeasesRequest, _ answer: @escaping Answer<Etcdserverpb_LeaseLeasesResponse>
    ) {
        errands.answer(answer) { [store] in
            let leases = try await store.leases()
            var message = Etcdserverpb_LeaseLeasesResponse()
            message.header = .init(store.header)
            message.leases = leases.map { id in
                var lease = Etcdserverpb_LeaseStatus()
                lease.id = id
                return lease
            }
            return message
        }
    }
}
