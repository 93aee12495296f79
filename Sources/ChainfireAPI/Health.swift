import Chainfire
import Etcd
import GRPC
import Host
import Store

/// Whether this member can serve: it knows a leader, no alarm is raised, and a read through the leader answers
/// (etcd documentation, "Monitoring etcd", health check).
struct Health: Sendable {
    enum Verdict: Hashable, Sendable {
        case good
        case bad(String)
    }


    let store: Chainfire

    /// Answers from the callback of a read, or at once.
    /// - Parameters:
    ///   - excluded: alarms that do not count.
    ///   - isSerializable: this member's own state is enough.
    func check(
        excluding excluded: Set<String> = [], isSerializable: Bool = false, _ answer: @escaping @Sendable (Verdict) -> Void
    ) {
        let status = store.standing
        for alarm in status.alarms where !excluded.contains(alarm.kind.name) {
            return answer(.bad("ALARM \(alarm.kind.name)"))
        }
        guard isSerializable || status.leader != 0 else {
            return answer(.bad("RAFT NO LEADER" + ((status.founding ?? status.recovery).map { ": \($0)" } ?? "")))
        }
        let probe = RangeRequest(.single("health"), limit: 1, keysOnly: true)
        store.range(probe, serializable: isSerializable) { result in
            switch result {
            case .success: answer(.good)
            case .failure(let error): answer(.bad("READ ERROR:\(GRPCStatus(error).message)"))
            }
        }
    }

    func verdict() async -> Verdict {
        await withCheckedContinuation { continuation in check { continuation.resume(returning: $0) } }
    }
}

extension Alarm.Kind {
    var name: String {
        switch self {
        case .noSpace: "NOSPACE"
        case .corrupt: "CORRUPT"
        }
    }
}

/// `grpc.health.v1.Health` (gRPC health checking protocol). The one service is the empty name, the whole server.
struct HealthService: Sendable {
    private static let lookEvery = Duration.seconds(1)

    let health: Health
    let errands: Errands
    let time: any Time

    func register(in endpoints: inout Endpoints) {
        endpoints.unary("/grpc.health.v1.Health/Check") {
            [health] (request: Grpc_Health_V1_HealthCheckRequest, answer: @escaping Answer<Grpc_Health_V1_HealthCheckResponse>) in
            guard request.service.isEmpty else { return answer(.failure(GRPCStatus(.notFound, "unknown service"))) }
            health.check { verdict in answer(.success(.with { $0.status = verdict.status })) }
        }
        endpoints.stream("/grpc.health.v1.Health/Watch", takesOne: true) { [self] sink in
            WaitingCall<Grpc_Health_V1_HealthCheckRequest>(errands, sink) { try await watch($0, sink) }
        }
    }

    private func watch(_ request: Grpc_Health_V1_HealthCheckRequest, _ sink: any Sink) async throws {
        var last: Grpc_Health_V1_HealthCheckResponse.ServingStatus?
        while true {
            let now = request.service.isEmpty ? await health.verdict().status : .serviceUnknown
            if now != last {
                sink.send(Grpc_Health_V1_HealthCheckResponse.with { $0.status = now })
                last = now
            }
            try await time.sleep(for: Self.lookEvery)
        }
    }
}

extension Health.Verdict {
    fileprivate var status: Grpc_Health_V1_HealthCheckResponse.ServingStatus { self == .good ? .serving : .notServing }
}
