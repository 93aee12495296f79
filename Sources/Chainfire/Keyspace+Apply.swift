import Store

extension Keyspace {
    /// What became of a transaction.
    struct Applied {
        var result: TransactionResult
        /// New rows of the history, in order.
        var changes: [Change] = []
        var events: [Event] = []
    }

    /// Carries a transaction out. It is refused as a whole, before anything changes, or done as a
    /// whole.
    /// - Throws: `StoreError` when it is refused; whatever `load` throws.
    mutating func apply(_ transaction: Transaction, _ load: Load) throws -> Applied {
        let path = try Path(transaction, self, load)
        let most = try path.check(self)
        guard most <= ChangeID.changesMax else {
            throw StoreError.invalid("the transaction changes up to \(most) keys; at most \(ChangeID.changesMax) may be")
        }
        var run = Run(next: revision + 1)
        let result = try carryOut(path, &run, load)
        return Applied(result: result, changes: run.changes, events: run.events)
    }

    private struct Run {
        let next: Revision
        var changes: [Change] = []
        var events: [Event] = []

        var newID: ChangeID { ChangeID(next, changes.count) }

        /// What this transaction changed itself is not in the history yet.
        func load(_ id: ChangeID, _ load: Load) throws -> Change {
            id.revision == next ? changes[id.place] : try load(id)
        }
    }

    private mutating func carryOut(_ path: Path, _ run: inout Run, _ load: Load) throws -> TransactionResult {
        var results: [OperationResult] = []
        results.reserveCapacity(path.steps.count)
        for step in path.steps {
            switch step {
            case .nested(let inner): results.append(.transaction(try carryOut(inner, &run, load)))
            case .put(let key, let value, let lease):
                let previous = try current(key) { try run.load($0, load) }
                take(Change(
                    id: run.newID, key: key, value: value, createRevision: previous?.createRevision ?? run.next,
                    version: (previous?.version ?? 0) + 1, lease: lease), previous, &run)
                results.append(.put(previous: previous))
            case .delete(let range):
                var answer = self.range(RangeRequest(range))
                try answer.fill({ try run.load($0, load) }, keysOnly: false)
                for entry in answer.result.entries {
                    take(Change(id: run.newID, key: entry.key, createRevision: 0, version: 0, lease: 0), entry, &run)
                }
                results.append(.delete(previous: answer.result.entries))
            case .range(let request):
                var answer = self.range(request)
                try answer.fill({ try run.load($0, load) }, keysOnly: request.keysOnly)
                results.append(.range(answer.result))
            }
        }
        return TransactionResult(revision: revision, succeeded: path.succeeded, results: results)
    }

    private mutating func take(_ change: Change, _ previous: Entry?, _ run: inout Run) {
        take(change)
        run.changes.append(change)
        run.events.append(change.event(previous: previous))
    }

    /// The operations that a transaction will carry out: all compares, nested ones too, look at the
    /// state before it (etcd `txn.compareToPath`).
    private struct Path {
        enum Step { case put(Key, [UInt8], lease: Int64), delete(KeyRange), range(RangeRequest), nested(Path) }
        var succeeded = true
        var steps: [Step]

        init(_ transaction: Transaction, _ keyspace: Keyspace, _ load: Load) throws {
            for compare in transaction.compares {
                guard compare.holds(for: try keyspace.seen(by: compare, load)) else {
                    succeeded = false
                    break
                }
            }
            steps = try (succeeded ? transaction.then : transaction.otherwise).map { operation in
                switch operation {
                case .put(let key, let value, let lease): .put(key, value, lease: lease)
                case .delete(let range): .delete(range)
                case .range(let request): .range(request)
                case .transaction(let inner): .nested(try Path(inner, keyspace, load))
                }
            }
        }

        /// - Returns: the most keys that may change.
        func check(_ keyspace: Keyspace) throws(StoreError) -> Int {
            var most = 0
            for step in steps {
                switch step {
                case .put: most += 1
                case .delete(let range): most += keyspace.range(RangeRequest(range, countOnly: true)).result.count
                case .range(let request): try keyspace.checkReadable(request)
                case .nested(let inner): most += try inner.check(keyspace)
                }
            }
            return most
        }
    }

    /// What a compare looks at; the value is loaded only when it is asked for.
    private func seen(by compare: Compare, _ load: Load) throws -> Entry? {
        if case .value = compare.target { return try current(compare.key, load) }
        return range(RangeRequest(.single(compare.key), keysOnly: true)).result.entries.first
    }
}
