import Chainfire
import Dispatch
import Etcd
import GRPC
import Host
import Store

/// `etcdserverpb.Maintenance`.
struct MaintenanceService: Sendable {
    /// The etcd whose API this is: what its clients take from the version is true here (progress requests above all).
    static let version = "3.5.13"
    static let clusterVersion = "3.5.0"

    let store: Chainfire
    let errands: Errands
    /// Where snapshots lie while they are sent.
    let scratchDirectory: String
    let time: any Time
    private let copies = Copies()

    init(store: Chainfire, errands: Errands, scratchDirectory: String, time: any Time) {
        self.store = store
        self.errands = errands
        self.scratchDirectory = scratchDirectory
        self.time = time
    }

    func register(in endpoints: inout Endpoints) {
        endpoints.unary("/etcdserverpb.Maintenance/Alarm", ["maintenance/alarm"], alarm)
        endpoints.unary("/etcdserverpb.Maintenance/Status", ["maintenance/status"], status)
        endpoints.unary("/etcdserverpb.Maintenance/Defragment", ["maintenance/defragment"], defragment)
        endpoints.unary("/etcdserverpb.Maintenance/Hash", ["maintenance/hash"], hash)
        endpoints.unary("/etcdserverpb.Maintenance/HashKV", ["maintenance/hashkv"], hashKV)
        endpoints.unary("/etcdserverpb.Maintenance/MoveLeader", ["maintenance/transfer-leadership"], moveLeader)
        endpoints.stream("/etcdserverpb.Maintenance/Snapshot", ["maintenance/snapshot"], takesOne: true) { [self] sink in
            WaitingCall<Etcdserverpb_SnapshotRequest>(errands, sink) { _ in
                // Each is a copy of the whole database until its reader has it.
                guard copies.begin() else { throw GRPCStatus(.resourceExhausted, "etcdserver: too many requests") }
                defer { copies.end() }
                try await SnapshotSender(store: store, scratchDirectory: scratchDirectory, time: time).send(to: sink)
            }
        }
    }

    @Sendable func status(
        _ request: Etcdserverpb_StatusRequest, _ answer: @escaping Answer<Etcdserverpb_StatusResponse>
    ) {
        // The database is asked for its size, and may be busy.
        DispatchQueue.global(qos: .userInitiated).async { [store] in
            let status = store.status
            answer(.success(.with {
                $0.header = .init(store.header)
                $0.version = Self.version
                $0.dbSize = Int64(status.dbSize)
                $0.dbSizeInUse = Int64(status.dbSizeInUse)
                $0.leader = status.leader
                $0.raftIndex = status.commitIndex
                $0.raftAppliedIndex = status.appliedIndex
                $0.raftTerm = status.term
                $0.isLearner = status.isLearner
                $0.errors = status.errors
            }))
        }
    }

    /// Alarms of the corrupt kind are never raised by this store itself.
    @Sendable func alarm(_ request: Etcdserverpb_AlarmRequest, _ answer: @escaping Answer<Etcdserverpb_AlarmResponse>) {
        errands.answer(answer) {
            let changed: [Alarm]
            switch request.action {
            case .get:
                changed = try await store.alarms().filter { request.alarm == .none || request.alarm == $0.kind.message }
            case .activate, .deactivate:
                guard let kind = Alarm.Kind.allCases.first(where: { $0.message == request.alarm }) else {
                    return .with { $0.header = .init(store.header) }
                }
                let member = request.memberID == 0 ? store.header.memberID : request.memberID
                let alarm = Alarm(memberID: member, kind: kind)
                if request.action == .activate {
                    try await store.raiseAlarm(alarm)
                    changed = [alarm]
                } else {
                    changed = try await store.alarms().filter { $0 == alarm }
                    try await store.clearAlarm(alarm)
                }
            case .UNRECOGNIZED: changed = []
            }
            return .with {
                $0.header = .init(store.header)
                $0.alarms = changed.map { alarm in
                    .with {
                        $0.memberID = alarm.memberID
                        $0.alarm = alarm.kind.message
                    }
                }
            }
        }
    }

    @Sendable func defragment(
        _ request: Etcdserverpb_DefragmentRequest, _ answer: @escaping Answer<Etcdserverpb_DefragmentResponse>
    ) {
        errands.answer(answer) {
            try await store.defragment()
            return Etcdserverpb_DefragmentResponse()
        }
    }

    @Sendable func hash(_ request: Etcdserverpb_HashRequest, _ answer: @escaping Answer<Etcdserverpb_HashResponse>) {
        errands.answer(answer) {
            let hash = try await store.hash(at: 0)
            return .with {
                $0.header = .init(store.header, revision: hash.revision)
                $0.hash = hash.hash
            }
        }
    }

    @Sendable func hashKV(_ request: Etcdserverpb_HashKVRequest, _ answer: @escaping Answer<Etcdserverpb_HashKVResponse>) {
        errands.answer(answer) {
            let hash = try await store.hash(at: max(0, request.revision))
            return .with {
                $0.header = .init(store.header, revision: hash.revision)
                $0.hash = hash.hash
                // Nothing compacted yet is -1 in etcd.
                $0.compactRevision = hash.compacted > 0 ? hash.compacted : -1
            }
        }
    }

    @Sendable func moveLeader(
        _ request: Etcdserverpb_MoveLeaderRequest, _ answer: @escaping Answer<Etcdserverpb_MoveLeaderResponse>
    ) {
        errands.answer(answer) {
            guard store.standing.leader == store.header.memberID else { throw GRPCStatus.notLeader }
            let voters = try await store.members(linearizable: false).filter { !$0.record.isLearner }
            guard voters.contains(where: { $0.record.id == request.targetID }) else { throw GRPCStatus.badTransferee }
            try await store.transferLeadership(to: request.targetID)
            return Etcdserverpb_MoveLeaderResponse()
        }
    }
}

extension Alarm.Kind {
    var message: Etcdserverpb_AlarmType {
        switch self {
        case .noSpace: .nospace
        case .corrupt: .corrupt
        }
    }
}
