import Chainfire
import Host
import Raft
import Replica
import Store

/// Chainfire's machine on one member.
final class ChainfireSubject: Subject {
    private let machine: Machine

    init(on member: Member<ChainfireSubject>) throws(ChainfireError) {
        var options = ChainfireOptions()
        // So little that values are read from the storage and the ring of events overflows.
        options.cacheBytes = 20
        options.compaction = CompactionPolicy(keep: 400)
        options.garbageAtOnce = 1
        options.leaseRecordsEvery = .milliseconds(1_500)
        options.ring.eventsMax = 24
        options.ring.batchEventsMax = 5
        let clock = member.localClock
        machine = try Machine(
            storage: member.storage, options: options, identity: StoreIdentity(clusterID: 7, memberID: member.id),
            members: [], now: { clock.now() })
    }

    static func encode(_ request: Request, _ serial: UInt64) -> [UInt8] {
        switch request {
        case .transaction(let transaction): StoreCommand.transaction(transaction).encoded
        case .grant(let lease, let seconds): StoreCommand.leaseGrant(id: lease, ttl: seconds).encoded
        // A second lease, which is not there, sets the call apart from all others.
        case .revoke(let lease): StoreCommand.leasesRevoke([lease, -Int64(serial)]).encoded
        case .renew(let lease): StoreCommand.leasesRenew([lease, -Int64(serial)]).encoded
        case .compact(let revision): StoreCommand.compaction(revision).encoded
        case .range: preconditionFailure("a read is no command")
        }
    }

    static func decode(_ command: Command) -> Act? {
        if command.bytes.isEmpty { return .housekeeping }
        guard let decoded = try? StoreCommand(decoding: command.bytes) else { return nil }
        return switch decoded {
        case .transaction(let transaction): .request(.transaction(transaction))
        case .compaction(let revision): .request(.compact(revision))
        case .leaseGrant(let id, let ttl): .request(.grant(lease: id, seconds: ttl))
        case .leasesRevoke(let ids): .request(.revoke(lease: ids.first ?? 0))
        case .leasesRenew(let ids): .request(.renew(lease: ids.first ?? 0))
        case .leasesEnd(let sights): .expire(sights.map { ($0.id, $0.renewed) })
        case .leasesRecord(let times): .remaining(times.map { ($0.sight.id, $0.sight.renewed, $0.seconds) })
        case .members, .alarm, .founded, .published: .housekeeping
        }
    }

    static func context(_ steps: [ConfigurationChange.Step]) -> [UInt8] {
        let records = steps.filter { $0.kind != .remove }.map {
            MemberRecord(
                id: $0.id, name: "member-\($0.id)", peerURLs: ["https://member-\($0.id):2380"], isLearner: $0.kind == .addLearner)
        }
        return records.isEmpty ? [] : StoreCommand.members(records).encoded
    }

    var applied: Applied { machine.applied }

    func apply(_ commands: [Command]) throws -> [Answer] {
        try machine.apply(commands).map { outcome in
            switch outcome {
            case .committed(let result): .transaction(result)
            case .done: .done(seconds: 0)
            case .renewed(let seconds):
                if let granted = seconds.first ?? nil { .done(seconds: granted) } else { .refused(.missing("no lease")) }
            case .refused(let error): .refused(error)
            }
        }
    }

    func checkpoint() throws -> UInt64 { try machine.checkpoint() }
    func snapshot(to path: String) throws -> SnapshotHead { try machine.snapshot(to: path) }
    func prepare(_ path: String, _ head: SnapshotHead) throws { try machine.prepare(path, head) }
    func discard(_ path: String) { machine.discard(path) }
    func install(_ path: String, _ head: SnapshotHead) throws { try machine.install(path, head) }
    func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]] { machine.due(now, leadership) }

    func range(_ request: RangeRequest) -> Result<RangeResult, StoreError> {
        Result { () throws(StoreError) in try machine.range(request) }
    }

    func watch(_ range: KeyRange, from revision: Revision) -> Result<any SubjectWatch, StoreError> {
        Result { () throws(StoreError) in try ChainfireWatch(machine.openWatcher(range, from: revision, listener: WatchSignal {})) }
    }

    func digest() -> String {
        switch Result(catching: { () throws(StoreError) in try machine.hash(at: nil) }) {
        case .success(let hash): "\(hash.hash) at \(hash.revision), compacted \(hash.compacted)"
        case .failure(let error): "\(error)"
        }
    }
}

private final class ChainfireWatch: SubjectWatch {
    private let watcher: Watcher

    init(_ watcher: Watcher) { self.watcher = watcher }

    func next() -> Result<WatchBatch?, StoreError> {
        Result { () throws(StoreError) in
            try watcher.next().map { WatchBatch(revision: $0.page.revision, events: $0.page.events) }
        }
    }

    func progress() -> Revision? { watcher.progress() }
    func cancel() { watcher.cancel() }
}
