import Host
import Logging
import Replica
import ServiceLifecycle
import Store
import Synchronization

/// The replicated store with etcd v3's semantics: a multi-version state machine over a Raft log.
///
/// Its directory holds `lock`, `log/` (the Raft log, fsynced before a write is acknowledged) and
/// `state.db` (SQLite, what the log made so far). Reads of current values and watches are answered
/// from memory, old revisions from SQLite. With one voter every read is linearizable, because a write
/// is acknowledged only after it was applied.
package final class Chainfire: Store, Service {
    private enum Phase { case open, stopping, stopped }
    private struct Gate {
        var phase = Phase.open
        var pending = 0
        var whenDrained: CheckedContinuation<Void, Never>?
    }

    private let machine: Machine
    private let replica: Replica<Machine>
    private let lock: Mutex<(any DiskLock)?>
    private let logger: Logger
    private let gate = Mutex(Gate())

    private init(machine: Machine, replica: Replica<Machine>, lock: any DiskLock, logger: Logger) {
        self.machine = machine
        self.replica = replica
        self.lock = Mutex(lock)
        self.logger = logger
    }

    /// Opens the store, made when it is missing, and applies what the log holds beyond the applied state.
    /// Blocks while it reads. Writes wait until `run()` runs.
    /// - Throws: `ChainfireError`, with the file and the numbers when something is damaged or does not fit.
    package static func open(
        directory: String, time: any Time, disk: any Disk, options: ChainfireOptions = ChainfireOptions(), logger: Logger
    ) throws(ChainfireError) -> Chainfire {
        let lock: any DiskLock
        do throws(DiskError) {
            try disk.makeDirectory(directory)
            lock = try disk.lock(directory + "/lock")
        } catch {
            throw .storage(error.description)
        }
        let start = time.now()
        let storage = try Storage(path: directory + "/state.db")
        let machine = try Machine(storage: storage, options: options)
        let mark = machine.state.withLock { $0.mark }
        let replica: Replica<Machine>
        do throws(ReplicaError) {
            replica = try Replica(
                directory: directory + "/log", disk: disk, machine: machine, options: options.log, logger: logger)
        } catch {
            if case .mismatch(let why) = error { throw .mismatch("\(storage.path): \(why)") }
            throw .log(error)
        }
        do throws(DiskError) { try disk.syncDirectory(directory) } catch { throw .storage(error.description) }
        let term = replica.status.term
        guard mark.appliedTerm <= term else {
            throw .mismatch("""
                \(storage.path) has applied entry \(mark.appliedIndex) of term \(mark.appliedTerm), but the log in \
                \(directory)/log is at term \(term): they do not belong together; restore both from one backup
                """)
        }
        let chainfire = Chainfire(machine: machine, replica: replica, lock: lock, logger: logger)
        let status = chainfire.status
        logger.info("store opened", metadata: [
            "directory": "\(directory)", "revision": "\(status.revision)", "keys": "\(status.keys)",
            "applied": "\(status.appliedIndex)", "replayed": "\(status.appliedIndex - mark.appliedIndex)",
            "took": "\(time.now() - start)",
        ])
        return chainfire
    }

    package var status: ChainfireStatus {
        let log = replica.status
        return machine.state.withLock { state in
            ChainfireStatus(
                revision: state.keyspace.revision, compacted: state.keyspace.compacted, keys: state.keyspace.liveKeys,
                watchers: machine.watchers.load(ordering: .relaxed), databaseBytes: machine.storage.bytesOnDisk,
                cachedBytes: state.keyspace.cachedBytes, appliedIndex: state.mark.appliedIndex, lastIndex: log.lastIndex,
                term: log.term)
        }
    }

    /// Writes until the task is cancelled or the service group shuts down: then writes that are under
    /// way are finished, new ones refused, the watches end, and the state is checkpointed and closed.
    package func run() async throws {
        var failure: (any Error)?
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [self] in try await replica.run() }
                group.addTask { [self] in await compactWhenDue() }
                group.addTask { [self] in
                    try await gracefulShutdown()
                    await drain()
                }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        } catch is CancellationError {
            logger.debug("store cancelled")
        } catch {
            failure = error
        }
        gate.withLock { $0.phase = .stopped }
        machine.stop()
        if let failure {
            logger.critical("store failed", metadata: ["error": "\(failure)"])
            throw failure
        }
        try machine.storage.checkpoint()
        try machine.storage.close()
        lock.withLock { $0 = nil }
        logger.info("store closed")
    }

    /// Returns when no write is under way; none begins any more.
    private func drain() async {
        await withCheckedContinuation { continuation in
            let isDrained = gate.withLock { gate in
                gate.phase = .stopping
                if gate.pending > 0 { gate.whenDrained = continuation }
                return gate.pending == 0
            }
            if isDrained { continuation.resume() }
        }
    }

    private func compactWhenDue() async {
        for await revision in machine.compactions {
            do throws(StoreError) {
                try await compact(through: revision)
                logger.debug("store compacted", metadata: ["through": "\(revision)"])
            } catch {
                // Another compaction was first, or the store stops: the next write asks again.
                logger.debug("compaction refused", metadata: ["through": "\(revision)", "error": "\(error)"])
            }
        }
    }

    private func propose(_ command: StoreCommand) async throws(StoreError) -> Machine.Outcome {
        let isOpen = gate.withLock { gate in
            guard gate.phase == .open else { return false }
            gate.pending += 1
            return true
        }
        guard isOpen else { throw .unavailable("the store is stopping") }
        defer {
            let drained = gate.withLock { gate -> CheckedContinuation<Void, Never>? in
                gate.pending -= 1
                guard gate.pending == 0 else { return nil }
                defer { gate.whenDrained = nil }
                return gate.whenDrained
            }
            drained?.resume()
        }
        do throws(ReplicaError) {
            return try await replica.propose(command.encoded)
        } catch {
            switch error {
            case .noSpace: throw .noSpace
            case .tooLarge: throw .invalid("etcdserver: request is too large")
            case .overloaded: throw .unavailable("etcdserver: too many requests")
            case .stopped, .locked, .corrupt, .mismatch, .storage: throw .unavailable(error.description)
            }
        }
    }
}

extension Chainfire {
    package func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        let answer = try machine.state.withLock { state throws(StoreError) in
            guard !state.isStopped else { throw .unavailable("the store has stopped") }
            try state.keyspace.checkReadable(request)
            return state.keyspace.range(request)
        }
        guard !answer.missing.isEmpty else { return answer.result }
        return try await machine.read { keyspace, load in
            try keyspace.checkReadable(request)
            var answer = keyspace.range(request)
            try answer.fill(load, keysOnly: request.keysOnly)
            return answer.result
        }
    }

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        try transaction.validate()
        if transaction.isReadOnly {
            return try await machine.read { keyspace, load in try keyspace.apply(transaction, load).result }
        }
        switch try await propose(.transaction(transaction)) {
        case .committed(let result): return result
        case .refused(let error): throw error
        case .compacted: preconditionFailure("a transaction was answered as a compaction")
        }
    }

    package func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        let cursor = WatchCursor(machine, range, from: try machine.startWatch(from: revision))
        return Watch(AsyncThrowingStream { try await cursor.next() })
    }

    package func compact(through revision: Revision) async throws(StoreError) {
        switch try await propose(.compaction(revision)) {
        case .compacted: return
        case .refused(let error): throw error
        case .committed: preconditionFailure("a compaction was answered as a transaction")
        }
    }
}
