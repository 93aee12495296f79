import Store
import Synchronization

/// A `Store` in memory, written to be obviously right rather than fast: it keeps every version of
/// every key and answers each question by looking through them. Tests use it as the world's store
/// and as the model that Chainfire is compared with.
package final class MemoryStore: Store {
    private let state = Mutex(State())

    package init() {}

    package func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        try state.withLock { state throws(StoreError) in
            try state.checkReadable(request)
            return state.history.range(request, current: state.revision)
        }
    }

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        try transaction.validate()
        let (result, awake) = try state.withLock { state throws(StoreError) in
            let result = try state.commit(transaction)
            return (result, state.takeWaiters())
        }
        for waiter in awake { waiter.resume() }
        return result
    }

    package func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        let next = try state.withLock { state throws(StoreError) in
            guard let revision, revision > 0 else { return state.revision + 1 }
            guard revision >= state.compacted else { throw .compacted(oldest: state.compacted) }
            return revision
        }
        let cursor = Mutex(next)
        return Watch(AsyncThrowingStream { [self] in
            try await self.next(range, from: cursor)
        })
    }

    package func compact(through revision: Revision) async throws(StoreError) {
        try state.withLock { state throws(StoreError) in try state.compact(through: revision) }
    }

    /// The next batch for a watcher; nil when its task is cancelled.
    private func next(_ range: KeyRange, from cursor: borrowing Mutex<Revision>) async throws -> WatchBatch? {
        while !Task.isCancelled {
            let start = cursor.withLock { $0 }
            let (batch, seen) = try state.withLock { state throws(StoreError) in
                guard start >= state.compacted else { throw .compacted(oldest: state.compacted) }
                let events = state.history.events(in: range, from: start)
                return (events.isEmpty ? nil : WatchBatch(revision: state.revision, events: events), state.revision)
            }
            cursor.withLock { $0 = max($0, seen + 1) }
            if let batch { return batch }
            await changed(after: seen)
        }
        return nil
    }

    /// Returns when the store is past `revision` or the task is cancelled.
    private func changed(after revision: Revision) async {
        let number = state.withLock { $0.newNumber() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if state.cancelled.remove(number) != nil || state.revision > revision { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiters.removeValue(forKey: number)
                if waiter == nil { state.cancelled.insert(number) }
                return waiter
            }
            waiter?.resume()
        }
        state.withLock { _ = $0.cancelled.remove(number) }
    }
}

extension MemoryStore {
    struct State {
        var revision: Revision = 1
        /// The last compaction; 0 before the first.
        var compacted: Revision = 0
        var history = MemoryHistory()
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var cancelled: Set<UInt64> = []
        private var numbers: UInt64 = 0

        mutating func newNumber() -> UInt64 {
            numbers += 1
            return numbers
        }

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            let taken = waiters.sorted { $0.key < $1.key }.map(\.value)
            waiters = [:]
            return taken
        }

        func checkReadable(_ request: RangeRequest) throws(StoreError) {
            guard let asked = request.revision, asked > 0 else { return }
            guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
            guard asked >= compacted else { throw .compacted(oldest: compacted) }
        }

        /// There are no leases here.
        func checkLease(_ lease: Int64) throws(StoreError) {
            if lease != 0 { throw .missing("etcdserver: requested lease not found") }
        }

        mutating func compact(through asked: Revision) throws(StoreError) {
            guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
            guard asked > compacted else { throw .compacted(oldest: max(compacted, 1)) }
            compacted = asked
            history.compact(through: asked)
        }

        mutating func commit(_ transaction: Transaction) throws(StoreError) -> TransactionResult {
            // All compares, nested ones too, look at the state before the transaction.
            let path = Path(transaction, history)
            try path.checkReadable(self)
            var changed = false
            let result = carryOut(path, &changed)
            if changed { revision += 1 }
            return result
        }

        private mutating func carryOut(_ path: Path, _ changed: inout Bool) -> TransactionResult {
            var results: [OperationResult] = []
            for step in path.steps {
                switch step {
                case .nested(let inner): results.append(.transaction(carryOut(inner, &changed)))
                case .operation(.put(let key, let value, let lease)):
                    results.append(put(key, value, lease, &changed))
                case .operation(.amend(let key, let value, let lease)):
                    results.append(put(key, value, lease, &changed))
                case .operation(.delete(let range)):
                    let previous = history.range(RangeRequest(range), current: revision + 1).entries
                    for entry in previous { history.append(entry.key, nil, at: revision + 1) }
                    if !previous.isEmpty { changed = true }
                    results.append(.delete(previous: previous))
                case .operation(.range(let request)):
                    results.append(.range(history.range(request, current: changed ? revision + 1 : revision)))
                case .operation(.transaction): preconditionFailure("a nested transaction is a path of its own")
                }
            }
            return TransactionResult(revision: changed ? revision + 1 : revision, succeeded: path.succeeded, results: results)
        }

        private mutating func put(_ key: Key, _ value: [UInt8]?, _ lease: Int64?, _ changed: inout Bool) -> OperationResult {
            let previous = history.current(key)
            history.append(key, Entry(
                key: key, value: value ?? previous?.value ?? [], createRevision: previous?.createRevision ?? revision + 1,
                modRevision: revision + 1, version: (previous?.version ?? 0) + 1, lease: lease ?? previous?.lease ?? 0),
                at: revision + 1)
            changed = true
            return .put(previous: previous)
        }
    }

    /// The operations that a transaction will carry out, its compares decided.
    struct Path {
        enum Step { case operation(Operation), nested(Path) }
        var succeeded: Bool
        var steps: [Step]

        init(_ transaction: Transaction, _ history: MemoryHistory) {
            succeeded = transaction.compares.allSatisfy { compare in
                let request = RangeRequest(compare.range ?? .single(compare.key))
                return compare.holds(forAll: history.range(request, current: .max).entries)
            }
            steps = (succeeded ? transaction.then : transaction.otherwise).map { operation in
                if case .transaction(let inner) = operation { .nested(Path(inner, history)) } else { .operation(operation) }
            }
        }

        func checkReadable(_ state: State) throws(StoreError) {
            for step in steps {
                switch step {
                case .nested(let inner): try inner.checkReadable(state)
                case .operation(.range(let request)): try state.checkReadable(request)
                case .operation(.amend(let key, let value, let lease)):
                    if value == nil || lease == nil, state.history.current(key) == nil {
                        throw .invalid("etcdserver: key not found")
                    }
                    try state.checkLease(lease ?? 0)
                case .operation(.put(_, _, let lease)): try state.checkLease(lease)
                case .operation: break
                }
            }
        }
    }
}
