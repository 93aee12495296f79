import Store
import Synchronization

extension Machine {
    /// Why a waiting watcher goes on.
    enum Wake: Sendable {
        /// Its range changed at this revision, and not before.
        case changed(Revision)
        case stopped
        case cancelled
    }

    /// How many bytes of old history a watcher is told at a time.
    private static let historyBytesMax = 4 << 20

    /// The first revision that a new watcher is told of.
    func startWatch(from revision: Revision?) throws(StoreError) -> Revision {
        try state.withLock { state throws(StoreError) in
            guard !state.isStopped else { throw .unavailable("the store has stopped") }
            guard let revision, revision > 0 else { return state.keyspace.revision + 1 }
            guard revision >= state.keyspace.compacted else { throw .compacted(oldest: state.keyspace.compacted) }
            return revision
        }
    }

    func look(_ range: KeyRange, from position: Revision) throws(StoreError) -> WatchHub.Glance {
        try state.withLock { state throws(StoreError) in
            guard !state.isStopped else { throw .unavailable("the store has stopped") }
            guard position >= state.keyspace.compacted else { throw .compacted(oldest: state.keyspace.compacted) }
            return state.hub.look(range, from: position, compacted: state.keyspace.compacted)
        }
    }

    /// What fell off the ring, read from SQLite. Events may be empty: then nothing concerned the range.
    func history(_ range: KeyRange, from position: Revision, to ringStart: Revision) async throws -> WatchBatch {
        try await storage.read { [self] session in
            // Nothing is applied meanwhile: applying needs the database.
            let (oldest, stopped) = state.withLock { ($0.keyspace.compacted, $0.isStopped) }
            guard !stopped else { throw StoreError.unavailable("the store has stopped") }
            guard position >= oldest else { throw StoreError.compacted(oldest: oldest) }
            let (changes, through) = try session.history(from: position, to: ringStart, bytesMax: Self.historyBytesMax)
            var batch = WatchBatch(revision: through, events: [])
            for change in changes where range.contains(change.key) {
                let before: ChangeID? = change.id.revision > oldest
                    ? state.withLock { $0.keyspace.predecessor(of: change.id, change.key) } : nil
                batch.events.append(change.event(previous: try before.map { try session.load($0) }?.entry))
            }
            return batch
        }
    }

    /// Returns when the range changes at or after `position`, which must be the first revision that the
    /// watcher was not told of.
    func changed(_ range: KeyRange, from position: Revision) async -> Wake {
        let number = state.withLock { state in
            state.waiterNumbers += 1
            return state.waiterNumbers
        }
        let wake = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Wake, Never>) in
                let now: Wake? = state.withLock { state in
                    if state.cancelled.remove(number) != nil { return .cancelled }
                    if state.isStopped { return .stopped }
                    if state.hub.revision >= position { return .changed(position) }
                    state.hub.wait(number, for: range)
                    state.waiters[number] = continuation
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.hub.leave(number)
                let waiter = state.waiters.removeValue(forKey: number)
                if waiter == nil { state.cancelled.insert(number) }
                return waiter
            }
            waiter?.resume(returning: .cancelled)
        }
        state.withLock { _ = $0.cancelled.remove(number) }
        return wake
    }
}

/// One watcher: a range, and how far it was told. It asks when it is ready for more, so that a slow
/// one holds nothing but its position.
final class WatchCursor: Sendable {
    private let machine: Machine
    private let range: KeyRange
    private let position: Mutex<Revision>

    init(_ machine: Machine, _ range: KeyRange, from position: Revision) {
        self.machine = machine
        self.range = range
        self.position = Mutex(position)
        machine.watchers.add(1, ordering: .relaxed)
    }

    deinit { machine.watchers.subtract(1, ordering: .relaxed) }

    /// nil when the task is cancelled.
    func next() async throws -> WatchBatch? {
        while !Task.isCancelled {
            let from = position.withLock { $0 }
            switch try machine.look(range, from: from) {
            case .batch(let batch):
                moveOn(to: batch.revision + 1)
                return batch
            case .older(let ringStart):
                let batch = try await machine.history(range, from: from, to: ringStart)
                moveOn(to: batch.revision + 1)
                if !batch.events.isEmpty { return batch }
            case .nothing(let through):
                moveOn(to: through + 1)
                switch await machine.changed(range, from: max(from, through + 1)) {
                case .changed(let revision): moveOn(to: revision)
                case .stopped: throw StoreError.unavailable("the store has stopped")
                case .cancelled: return nil
                }
            }
        }
        return nil
    }

    private func moveOn(to revision: Revision) { position.withLock { $0 = max($0, revision) } }
}
