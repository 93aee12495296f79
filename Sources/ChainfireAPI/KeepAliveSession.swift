import Chainfire
import Etcd
import GRPC
import Store
import Synchronization

/// One keepalive stream: every message renews a lease and is answered in order with its TTL, 0 when it is gone.
///
/// Each answer carries the revision from before the renewal: a client may not read from it that the lease lived at a
/// revision at which it had been revoked (etcd `v3rpc/lease.go`).
final class KeepAliveSession: Session, Sendable {
    private struct State {
        var waiting: [Int64] = []
        var isRenewing = false
        var isHalfClosed = false
        var isOver = false
    }

    /// Renewals that may wait; a client sends one per lease and third of its TTL.
    private static let waitingMax = 10_000

    private let store: Chainfire
    private let sink: any Sink
    private let state = Mutex(State())

    init(_ store: Chainfire, _ sink: any Sink) {
        self.store = store
        self.sink = sink
    }

    func receive(_ request: Etcdserverpb_LeaseKeepAliveRequest) {
        let fits = state.withLock { state in
            guard state.waiting.count < Self.waitingMax else { return false }
            state.waiting.append(request.id)
            return true
        }
        guard fits else {
            cancel()
            return sink.finish(GRPCStatus(.resourceExhausted, "etcdserver: too many requests"))
        }
        renewNext()
    }

    func halfClose() {
        state.withLock { $0.isHalfClosed = true }
        renewNext()
    }

    func cancel() { state.withLock { $0.isOver = true } }

    private enum Next { case renew(Int64), finish, nothing }

    private func renewNext() {
        let next = state.withLock { state -> Next in
            guard !state.isRenewing, !state.isOver else { return .nothing }
            guard !state.waiting.isEmpty else { return state.isHalfClosed ? .finish : .nothing }
            state.isRenewing = true
            return .renew(state.waiting.removeFirst())
        }
        switch next {
        case .nothing: return
        case .finish: sink.finish(.ok)
        case .renew(let id):
            let header = store.header
            store.renewLease(id) { [self] result in answer(id, header, result) }
        }
    }

    private func answer(_ id: Int64, _ header: Header, _ result: Result<Int64, StoreError>) {
        var message = Etcdserverpb_LeaseKeepAliveResponse()
        message.header = .init(header)
        message.id = id
        switch result {
        case .success(let ttl): message.ttl = ttl
        case .failure(.missing): message.ttl = 0
        case .failure(let error):
            cancel()
            return sink.finish(GRPCStatus(error))
        }
        sink.send(message)
        state.withLock { $0.isRenewing = false }
        renewNext()
    }
}
