import Dispatch
import Store

extension Machine {
    /// Reads the state as it was applied here. Blocks while it reads the storage.
    package func range(_ request: RangeRequest) throws(StoreError) -> RangeResult {
        try retrying { () throws(StoreError) in try fill(find(request), request) }
    }

    /// Reads, and answers at once when everything is in memory and few keys are looked at: this may be the thread that the members are heard by.
    func range(_ request: RangeRequest, _ answer: @escaping @Sendable (Result<RangeResult, StoreError>) -> Void) {
        guard hasBackground, state.withLock({ $0.isLong(request.range) }) else { return look(request, answer) }
        DispatchQueue.global(qos: .userInitiated).async { [self] in look(request, answer) }
    }

    /// From the reading thread what is not in memory.
    private func look(_ request: RangeRequest, _ answer: @escaping @Sendable (Result<RangeResult, StoreError>) -> Void) {
        do throws(StoreError) {
            let found = try find(request)
            if found.missing.isEmpty { return answer(.success(found.filled(request, [:]))) }
            inBackground { [self] in
                answer(Result { () throws(StoreError) in
                    if let result = try fill(found, request) { return result }
                    return try range(request)
                })
            }
        } catch {
            answer(.failure(error))
        }
    }

    private enum Look { case view(Keyspace.View), found(Keyspace.Answer) }

    /// Looks at few keys under the lock, and at many in a view of them that holds nobody up.
    private func find(_ request: RangeRequest) throws(StoreError) -> Keyspace.Answer {
        let look = try state.withLock { state throws(StoreError) -> Look in
            let view = try state.readableView
            try view.checkReadable(request)
            // A view that outlived the lock would have the next change copy what it touches.
            return state.isLong(request.range) ? .view(view) : .found(view.range(request))
        }
        return switch look {
        case .view(let view): view.range(request)
        case .found(let answer): answer
        }
    }

    private func fill(_ found: Keyspace.Answer, _ request: RangeRequest) throws(StoreError) -> RangeResult? {
        guard let rows = try rows(found.missing.map(\.id)) else { return nil }
        return found.filled(request, rows)
    }

    /// A row may be compacted away between the look at the memory and the one at the storage; then all begins anew.
    private func retrying<T>(_ body: () throws(StoreError) -> T?) throws(StoreError) -> T {
        for _ in 0..<5 { if let result = try body() { return result } }
        throw .unavailable("\(ChainfireError.corrupt(file: storage.name, "a row of its table `history` is missing"))")
    }

    /// Rows that are looked for under one lock.
    private static let rowsAtOnce = 1_000

    /// Rows of the history, wherever they are; nil when one is not there any more.
    private func rows(_ ids: [ChangeID]) throws(StoreError) -> [ChangeID: Change]? {
        var rows: [ChangeID: Change] = [:]
        rows.reserveCapacity(ids.count)
        for start in stride(from: 0, to: ids.count, by: Self.rowsAtOnce) {
            let part = ids[start..<min(start + Self.rowsAtOnce, ids.count)]
            // What does not wait to be written any more is in the storage.
            state.withLock { state in for id in part { rows[id] = state.backlog[id] } }
            for id in part where rows[id] == nil {
                do {
                    guard let change = try storage.load(id) else { return nil }
                    rows[id] = change
                } catch {
                    throw .unavailable("\(error)")
                }
            }
        }
        return rows
    }

    /// Carries out a transaction that changes nothing. Blocks while it reads the storage.
    func read(_ transaction: Transaction) throws(StoreError) -> TransactionResult {
        try retrying { () throws(StoreError) in
            let view = try state.withLock { state throws(StoreError) in try state.readableView }
            // Each time it learns of rows that it lacks: which way a comparison goes may depend on one, and that way may need others.
            var loaded: [ChangeID: Change] = [:]
            while true {
                var missing: [ChangeID] = []
                let result = Result {
                    try view.read(transaction) { id in
                        if let change = loaded[id] { return change }
                        missing.append(id)
                        return Change(put: id, Key([]), [], createRevision: 1, version: 1, lease: 0)
                    }
                }
                if missing.isEmpty {
                    do { return try result.get() } catch { throw error as? StoreError ?? .unavailable("\(error)") }
                }
                guard let rows = try rows(missing) else { return nil }
                loaded.merge(rows) { $1 }
            }
        }
    }

    /// What `Keyspace.View.hash` says of a revision; nil or 0 is the newest.
    package func hash(at revision: Revision?) throws(StoreError) -> StoreHash {
        forgetAll()
        let view = state.withLock { state in
            state.forget(atMost: .max)
            return state.keyspace.view
        }
        let wanted = if let revision, revision > 0 { revision } else { view.revision }
        guard wanted <= view.revision else { throw .futureRevision(asked: wanted, current: view.revision) }
        guard wanted >= view.compacted else { throw .compacted(oldest: view.compacted) }
        return StoreHash(hash: view.hash(through: wanted), compacted: view.compacted, hashed: wanted, revision: view.revision)
    }
}

extension Machine.State {
    /// To look at so many takes a millisecond.
    private static var manyKeys: Int { 15_000 }

    fileprivate func isLong(_ range: KeyRange) -> Bool { !range.isSingle && keyspace.liveKeys > Self.manyKeys }

    fileprivate var readableView: Keyspace.View {
        get throws(StoreError) {
            guard !isStopped else { throw .unavailable(Machine.stopped) }
            return keyspace.view
        }
    }
}

/// A checksum of the store, to compare members with: equal where `hashed` and `compacted` are equal.
package struct StoreHash: Hashable, Sendable {
    package var hash: UInt32
    /// Of the last compaction; 0 before the first.
    package var compacted: Revision
    /// What is hashed: everything up to this revision that is kept.
    package var hashed: Revision
    /// The store's.
    package var revision: Revision
}

extension Transaction {
    /// Neither branch can change anything: it need not go through the log.
    package var isReadOnly: Bool { all { if case .range = $0 { true } else { false } } }

    /// It may put something: refused while the quota is exceeded. Reads and deletes always may be.
    package var mayGrow: Bool {
        !all { operation in
            switch operation {
            case .put, .amend: false
            case .delete, .range, .transaction: true
            }
        }
    }

    private func all(_ isSo: (Operation) -> Bool) -> Bool {
        then.allSatisfy { Self.all($0, isSo) } && otherwise.allSatisfy { Self.all($0, isSo) }
    }

    private static func all(_ operation: Operation, _ isSo: (Operation) -> Bool) -> Bool {
        if case .transaction(let inner) = operation { return inner.all(isSo) }
        return isSo(operation)
    }
}
