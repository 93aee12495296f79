import Chainfire
import Etcd
import Foundation
import GRPC
import Store

/// `v3lockpb.Lock`: a lock is held as long as its key is there. Who waits and goes away gives up its place.
struct LockService: Sendable {
    let store: Chainfire
    let errands: Errands

    func register(in endpoints: inout Endpoints) {
        endpoints.stream("/v3lockpb.Lock/Lock", ["lock/lock"], isUnary: true) { [self] sink in
            WaitingCall<V3lockpb_LockRequest>(errands, sink) { request in
                do {
                    sink.send(try await lock(request))
                } catch {
                    throw GRPCStatus.ofRecipe(error)
                }
            }
        }
        endpoints.unary("/v3lockpb.Lock/Unlock", ["lock/unlock"], unlock)
    }

    private func lock(_ request: V3lockpb_LockRequest) async throws -> V3lockpb_LockResponse {
        let contest = Contest(store, name: request.name)
        let place = try await contest.enter(value: [], lease: request.lease)
        let revision = try await contest.waitForTurn(place)
        try await contest.confirm(place, orThrow: GRPCStatus(.unknown, "mutex: session is expired"))
        return .with {
            $0.header = .init(store.header, revision: revision)
            $0.key = Data(place.key.bytes)
        }
    }

    @Sendable func unlock(_ request: V3lockpb_UnlockRequest, _ answer: @escaping Answer<V3lockpb_UnlockResponse>) {
        guard !request.key.isEmpty else { return answer(.failure(.ofRecipe(GRPCStatus.emptyKey))) }
        store.commit(Transaction(then: [.delete(Key([UInt8](request.key)))])) { [store] result in
            switch result {
            case .success(let done): answer(.success(.with { $0.header = .init(store.header, revision: done.revision) }))
            case .failure(let error): answer(.failure(.ofRecipe(error)))
            }
        }
    }
}

extension GRPCStatus {
    /// etcd's lock and election services are clients of their own server: its refusals reach the caller with their
    /// text and the code "unknown".
    static func ofRecipe(_ error: any Error) -> GRPCStatus {
        let status = GRPCStatus(error)
        return status.code == .unavailable ? status : GRPCStatus(.unknown, status.message)
    }
}
