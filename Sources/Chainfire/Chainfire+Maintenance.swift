import Host
import Replica
import Store

/// Maintenance (etcd v3 API, "Maintenance"). `CORRUPT` alarms do not exist here: `hash(at:)` compares members,
/// `checkIntegrity` looks at one.
extension Chainfire {
    package func alarms() async throws(StoreError) -> [Alarm] {
        try await barrier()
        return machine.state.withLock { $0.facts.alarms.sorted() }
    }

    package func raiseAlarm(_ alarm: Alarm) async throws(StoreError) { try await propose(.alarm(isRaised: true, alarm)) }
    package func clearAlarm(_ alarm: Alarm) async throws(StoreError) { try await propose(.alarm(isRaised: false, alarm)) }

    /// A checksum of this member's keys up to a revision; 0 is the newest applied here. See `StoreHash`.
    package func hash(at revision: Revision) async throws(StoreError) -> StoreHash {
        try await onThread { [machine] in try machine.hash(at: revision) }
    }

    /// Gives unused space of this member's database back to the file system. Writes and reads of current values go on
    /// from memory meanwhile; what is written waits.
    package func defragment() async throws(StoreError) {
        try await onThread { [machine] in
            try machine.flush()
            try machine.withFlushing { try machine.storage.defragment() }
        }
    }

    /// Writes everything that is applied here into one new file, which `restore` reads.
    package func snapshot(to path: String) async throws(StoreError) {
        try await onThread { [machine] in
            // What waits for room would be missing.
            guard try machine.flush() else { throw ChainfireError.full(machine.storage.name) }
            _ = try machine.snapshot(to: path)
        }
    }

    /// Looks at this member's whole database: SQLite's own check, and every row's checksum.
    /// - Returns: what is wrong, one line each; none: it is sound.
    package func checkIntegrity() async throws(StoreError) -> [String] {
        try await onThread { [machine] in
            try machine.flush()
            return try machine.storage.check()
        }
    }

    private func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws(StoreError) -> T {
        do { return try await offThread(body) } catch {
            if case .full = error as? ChainfireError { throw .noSpace }
            throw error as? StoreError ?? .unavailable("\(error)")
        }
    }

    /// Blocks while it asks the file system and the database for sizes.
    package var status: ChainfireStatus { status(machine.storage.size) }

    /// Without what the storage is asked for: may be asked for on any thread.
    package var standing: ChainfireStatus { status(StorageSize(bytes: 0, used: 0)) }

    package var hasLeader: Bool { replica.status.leader != nil }

    private func status(_ size: StorageSize) -> ChainfireStatus {
        let log = replica.status
        var status = machine.state.withLock { state in
            ChainfireStatus(
                revision: state.keyspace.revision, compacted: state.keyspace.compacted, keys: state.keyspace.liveKeys,
                watchers: state.hub.memberCount, databaseBytes: size.bytes, cachedBytes: state.keyspace.cachedBytes,
                appliedIndex: state.mark.appliedIndex, lastIndex: log.lastIndex, term: log.term,
                databaseBytesUsed: size.used, liveBytes: state.keyspace.liveBytes, waitingBytes: state.backlog.bytes,
                leases: state.lessor.leases.count, alarms: state.facts.alarms.sorted())
        }
        status.clusterID = machine.identity.clusterID
        status.memberID = machine.identity.memberID
        status.leader = log.leader ?? 0
        status.isLearner = log.isLearner
        status.commitIndex = log.commitIndex
        status.quotaBytes = options.quotaBytes
        if !log.unmet.isEmpty {
            let members = machine.state.withLock { $0.facts.members }
            status.unmet = log.unmet.map { id in members[id].flatMap { $0.name.isEmpty ? nil : $0.name } ?? String(id, radix: 16) }
        }
        if log.leader == nil { status.errors.append("etcdserver: no leader") }
        status.isRecovering = log.isRecovering
        for reason in [status.founding, status.recovery] { if let reason { status.errors.append(reason) } }
        for alarm in status.alarms { status.errors.append("memberID:\(alarm.memberID) alarm:\(alarm.kind == .noSpace ? "NOSPACE" : "CORRUPT") ") }
        if machine.isFull.load(ordering: .relaxed) { status.errors.append("\(ChainfireError.full(machine.storage.name))") }
        if let trouble = log.trouble { status.errors.append("\(trouble)") }
        return status
    }
}
