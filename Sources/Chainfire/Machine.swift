import Logging
import Metrics
import Replica
import Store
import Synchronization

/// The state machine behind the log: the keyspace and the watch hub in memory, the history in SQLite.
///
/// The database's queue is entered before the lock of the state, never the other way round.
final class Machine: StateMachine {
    enum Outcome: Sendable {
        case committed(TransactionResult)
        case compacted
        case refused(StoreError)
    }

    struct State {
        var keyspace: Keyspace
        var hub: WatchHub
        var mark: Storage.Mark
        /// Rows that nobody can read any more, to be deleted little by little.
        var garbage = Fifo<ChangeID>()
        var waiters: [UInt64: CheckedContinuation<Wake, Never>] = [:]
        var waiterNumbers: UInt64 = 0
        /// Waiters cancelled before they lay down.
        var cancelled: Set<UInt64> = []
        var isStopped = false
    }

    /// Rows deleted with each batch of commands: bounds how long a compaction holds up writes.
    private static let garbageMax = 1_000

    let storage: Storage
    let state: Mutex<State>
    let watchers = Atomic<Int>(0)
    private let policy: CompactionPolicy
    /// Says that a compaction is due.
    let compactions: AsyncStream<Revision>
    private let compactionsDue: AsyncStream<Revision>.Continuation
    private let commits: Counter
    private let applySeconds: Metrics.Timer
    private let revisionGauge: Gauge

    init(storage: Storage, options: ChainfireOptions) throws(ChainfireError) {
        self.storage = storage
        policy = options.compaction
        var keyspace = Keyspace(cacheBytes: options.cacheBytes)
        let mark = try storage.restore { keyspace.take($0) }
        guard keyspace.revision <= mark.revision else {
            throw .corrupt(
                file: storage.path, "it holds revision \(keyspace.revision) but says that its newest is \(mark.revision)")
        }
        keyspace.restore(revision: mark.revision)
        var garbage = Fifo<ChangeID>()
        if mark.compacted > 0 {
            // What the compaction before the restart left to delete is found anew.
            do throws(StoreError) {
                for id in try keyspace.compact(through: mark.compacted) { garbage.append(id) }
            } catch {
                throw .corrupt(file: storage.path, "it says that it was compacted through \(mark.compacted): \(error)")
            }
        }
        state = Mutex(State(
            keyspace: keyspace, hub: WatchHub(revision: mark.revision, limits: options.ring), mark: mark, garbage: garbage))
        (compactions, compactionsDue) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        commits = Counter(label: "chainfire_commits_total")
        applySeconds = Timer(label: "chainfire_apply_seconds")
        revisionGauge = Gauge(label: "chainfire_revision")
    }

    var appliedIndex: UInt64 { state.withLock { $0.mark.appliedIndex } }

    func apply(_ commands: [Command]) throws -> [Outcome] {
        let start = ContinuousClock.now
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(commands.count)
        var awake: [(CheckedContinuation<Wake, Never>, Revision)] = []
        var due: Revision?
        try storage.write { session in
            let load: Keyspace.Load = { try session.load($0) }
            for command in commands {
                let (outcome, changes) = try state.withLock { state in
                    let applied = try state.apply(command, load)
                    awake += state.takeWoken(applied.woken, at: state.keyspace.revision)
                    return (applied.outcome, applied.changes)
                }
                try session.insert(changes)
                outcomes.append(outcome)
            }
            let (mark, garbage) = state.withLock { state in
                var garbage: [ChangeID] = []
                while garbage.count < Self.garbageMax, let id = state.garbage.popFirst() { garbage.append(id) }
                due = policy.due(revision: state.mark.revision, compacted: state.mark.compacted)
                return (state.mark, garbage)
            }
            try session.delete(garbage)
            try session.set(mark)
            revisionGauge.record(mark.revision)
        }
        for (waiter, revision) in awake { waiter.resume(returning: .changed(revision)) }
        if let due { compactionsDue.yield(due) }
        commits.increment(by: commands.count)
        applySeconds.record(duration: ContinuousClock.now - start)
        return outcomes
    }

    func checkpoint() throws -> UInt64 {
        let index = appliedIndex
        try storage.checkpoint()
        return index
    }

    /// Ends the watches and the wish for compactions; reads are refused from now on.
    func stop() {
        let waiters = state.withLock { state in
            state.isStopped = true
            defer { state.waiters = [:] }
            return state.waiters.sorted { $0.key < $1.key }.map(\.value)
        }
        for waiter in waiters { waiter.resume(returning: .stopped) }
        compactionsDue.finish()
    }
}

extension Machine.State {
    struct Applied {
        var outcome: Machine.Outcome
        var changes: [Change] = []
        var woken: [UInt64] = []
    }

    /// - Throws: what `load` throws, or `CommandProblem`: then the process must end.
    mutating func apply(_ command: Command, _ load: Keyspace.Load) throws -> Applied {
        precondition(command.index > mark.appliedIndex, "entry \(command.index) after \(mark.appliedIndex)")
        mark.appliedIndex = command.index
        mark.appliedTerm = command.term
        do {
            switch try StoreCommand(decoding: command.bytes) {
            case .transaction(let transaction):
                let applied = try keyspace.apply(transaction, load)
                mark.revision = keyspace.revision
                let woken = applied.changes.isEmpty ? [] : hub.tell(keyspace.revision, applied.events)
                return Applied(outcome: .committed(applied.result), changes: applied.changes, woken: woken)
            case .compaction(let revision):
                for id in try keyspace.compact(through: revision) { garbage.append(id) }
                mark.compacted = revision
                return Applied(outcome: .compacted)
            }
        } catch let refusal as StoreError {
            return Applied(outcome: .refused(refusal))
        } catch let problem as CommandProblem {
            throw ChainfireError.mismatch("entry \(command.index) of the log is \(problem)")
        }
    }

    mutating func takeWoken(_ woken: [UInt64], at revision: Revision) -> [(CheckedContinuation<Machine.Wake, Never>, Revision)] {
        woken.compactMap { waiters.removeValue(forKey: $0).map { ($0, revision) } }
    }
}
