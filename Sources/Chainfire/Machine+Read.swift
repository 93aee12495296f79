import Dispatch
import Store

extension Machine {
    /// What a reading finds before it looks at the storage.
    private enum Found {
        case whole(RangeResult)
        case partial(Keyspace.Answer, waiting: [ChangeID: Change])
    }

    /// Reads the state as it was applied here. Blocks while it reads the storage.
    package func range(_ request: RangeRequest) throws(StoreError) -> RangeResult {
        // A row may be compacted away between the look at the memory and the one at the storage.
        for _ in 0..<5 {
            switch try find(request) {
            case .whole(let result): return result
            case .partial(let answer, let waiting):
                do {
                    return try answer.filled(request) { id in
                        guard let change = try waiting[id] ?? storage.load(id) else { throw Gone() }
                        return change
                    }
                } catch is Gone {
                    continue
                } catch {
                    throw .unavailable("\(error)")
                }
            }
        }
        throw .unavailable("\(ChainfireError.corrupt(file: storage.name, "a row of its table `history` is missing"))")
    }

    private struct Gone: Error {}

    /// To count so many takes a millisecond.
    private static let manyKeys = 15_000

    /// Reads, and answers at once when everything is in memory and few keys are looked at: this may be the thread that the members are heard by.
    func range(_ request: RangeRequest, _ answer: @escaping @Sendable (Result<RangeResult, StoreError>) -> Void) {
        if hasBackground, !request.range.isSingle, state.withLock({ $0.keyspace.liveKeys }) > Self.manyKeys {
            return DispatchQueue.global(qos: .userInitiated).async { [self] in look(request, answer) }
        }
        look(request, answer)
    }

    /// From the reading thread what is not in memory.
    private func look(_ request: RangeRequest, _ answer: @escaping @Sendable (Result<RangeResult, StoreError>) -> Void) {
        do throws(StoreError) {
            if case .whole(let result) = try find(request) { return answer(.success(result)) }
        } catch {
            return answer(.failure(error))
        }
        inBackground { [self] in answer(Result { () throws(StoreError) in try range(request) }) }
    }

    private func find(_ request: RangeRequest) throws(StoreError) -> Found {
        try state.withLock { state throws(StoreError) in
            guard !state.isStopped else { throw .unavailable(Self.stopped) }
            try state.keyspace.checkReadable(request)
            let answer = state.keyspace.range(request)
            guard !answer.missing.isEmpty else {
                return .whole(answer.filled(request) { _ in preconditionFailure("nothing is missing") })
            }
            var waiting: [ChangeID: Change] = [:]
            for (_, id) in answer.missing { if let change = state.backlog[id] { waiting[id] = change } }
            return .partial(answer, waiting: waiting)
        }
    }

    /// Carries out a transaction that changes nothing. Blocks while it reads the storage, and others do not wait for that: it is tried with what is
    /// in memory, and again with the rows that it lacked.
    func read(_ transaction: Transaction) throws(StoreError) -> TransactionResult {
        do {
            var loaded: [ChangeID: Change] = [:]
            // Once to know them, once with them; again for each comparison that a row's value decides otherwise, and while rows are compacted away.
            for _ in 0..<8 {
                let (result, missing) = try read(transaction, with: loaded)
                if missing.isEmpty { return result }
                for id in missing { loaded[id] = try storage.load(id) }
            }
            return try state.withLock { state in
                guard !state.isStopped else { throw StoreError.unavailable(Self.stopped) }
                let backlog = state.backlog
                return try Self.read(transaction, &state.keyspace) { try Self.load($0, backlog, storage) }
            }
        } catch {
            throw error as? StoreError ?? .unavailable("\(error)")
        }
    }

    /// - Returns: the result, and the rows that were not there and read as empty: with any, it is none.
    private func read(_ transaction: Transaction, with loaded: [ChangeID: Change]) throws -> (TransactionResult, missing: [ChangeID]) {
        try state.withLock { state in
            guard !state.isStopped else { throw StoreError.unavailable(Self.stopped) }
            var missing: [ChangeID] = []
            let backlog = state.backlog
            let result = try Self.read(transaction, &state.keyspace) { id in
                if let change = loaded[id] ?? backlog[id] { return change }
                missing.append(id)
                return Change(put: id, Key([]), [], createRevision: 1, version: 1, lease: 0)
            }
            return (result, missing)
        }
    }

    private static func read(_ transaction: Transaction, _ keyspace: inout Keyspace, _ load: Keyspace.Load) throws -> TransactionResult {
        let applied = try keyspace.apply(transaction, load)
        precondition(applied.changes.isEmpty, "a transaction that only reads has changed something")
        return applied.result
    }

    /// What `Keyspace.hash` says of a revision; nil or 0 is the newest.
    package func hash(at revision: Revision?) throws(StoreError) -> StoreHash {
        forgetAll()
        return try state.withLock { state throws(StoreError) in
            let asked = revision ?? 0
            let wanted = asked > 0 ? asked : state.keyspace.revision
            guard wanted <= state.keyspace.revision else {
                throw .futureRevision(asked: wanted, current: state.keyspace.revision)
            }
            guard wanted >= state.keyspace.compacted else { throw .compacted(oldest: state.keyspace.compacted) }
            state.forget(atMost: .max)
            return StoreHash(
                hash: state.keyspace.hash(through: wanted), compacted: state.keyspace.compacted, hashed: wanted,
                revision: state.keyspace.revision)
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
