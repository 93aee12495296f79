import Store

extension Keyspace {
    /// What became of a transaction.
    struct Applied {
        var result: TransactionResult
        /// New rows of the history, in order.
        var changes: [Change] = []
        var events: [Event] = []
    }

    /// What a transaction may not name: asked of the rest of the machine.
    typealias LeaseExists = (Int64) -> Bool

    /// Carries a transaction out. It is refused as a whole, before anything changes, or done as a
    /// whole.
    /// - Throws: `StoreError` when it is refused; whatever `load` throws.
    mutating func apply(
        _ transaction: Transaction, leaseExists: LeaseExists = { _ in true }, _ load: Load
    ) throws -> Applied {
        if let applied = try applySingle(transaction, leaseExists, load) { return applied }
        let path = try view.path(of: transaction, leaseExists, load)
        var run = Run(next: revision + 1)
        let result = try carryOut(path, &run, load)
        return Applied(result: result, changes: run.changes, events: run.events)
    }

    /// The most frequent transaction, one unconditional put, without any detour.
    private mutating func applySingle(_ transaction: Transaction, _ leaseExists: LeaseExists, _ load: Load) throws -> Applied? {
        guard transaction.compares.isEmpty, transaction.then.count == 1,
            case .put(let key, let value, let lease) = transaction.then[0]
        else { return nil }
        if lease != 0, !leaseExists(lease) { throw Self.leaseNotFound }
        let (place, record) = find(key)
        let previous = try entry(key, record, load)
        let next = revision + 1
        let change = Change(
            put: ChangeID(next, 0), key, value, createRevision: previous?.createRevision ?? next,
            version: (previous?.version ?? 0) + 1, lease: lease)
        take(change, at: place)
        return Applied(
            result: TransactionResult(revision: next, succeeded: true, results: [.put(previous: previous)]),
            changes: [change], events: [change.event(previous: previous)])
    }

    static let corruptCluster = StoreError.unavailable("etcdserver: corrupt cluster")
    static let leaseNotFound = StoreError.missing("etcdserver: requested lease not found")

    /// Deletes keys, all in one revision: what a lease takes with it.
    mutating func delete(_ keys: [Key], _ load: Load) throws -> Applied {
        var run = Run(next: revision + 1)
        for key in keys {
            guard let previous = try current(key, { try run.load($0, load) }) else { continue }
            take(Change(delete: run.newID, key), previous, &run)
        }
        let result = TransactionResult(revision: revision, succeeded: true, results: [])
        return Applied(result: result, changes: run.changes, events: run.events)
    }

    private struct Run {
        let next: Revision
        var changes: [Change] = []
        var events: [Event] = []

        init(next: Revision) { self.next = next }

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
                    put: run.newID, key, value ?? previous?.value ?? [], createRevision: previous?.createRevision ?? run.next,
                    version: (previous?.version ?? 0) + 1, lease: lease ?? previous?.lease ?? 0), previous, &run)
                results.append(.put(previous: previous))
            case .delete(let range):
                let request = RangeRequest(range)
                let entries = try view.range(request).filled(request, { try run.load($0, load) }).entries
                for entry in entries { take(Change(delete: run.newID, entry.key), entry, &run) }
                results.append(.delete(previous: entries))
            case .range(let request):
                results.append(.range(try view.range(request).filled(request) { try run.load($0, load) }))
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
    fileprivate struct Path {
        enum Step { case put(Key, [UInt8]?, lease: Int64?), delete(KeyRange), range(RangeRequest), nested(Path) }
        var succeeded = true
        var steps: [Step]

        init(_ transaction: Transaction, _ keyspace: View, _ load: Load) throws {
            for compare in transaction.compares {
                guard compare.holds(forAll: try keyspace.seen(by: compare, load)) else {
                    succeeded = false
                    break
                }
            }
            steps = try (succeeded ? transaction.then : transaction.otherwise).map { operation in
                switch operation {
                case .put(let key, let value, let lease): .put(key, value, lease: lease)
                case .amend(let key, let value, let lease): .put(key, value, lease: lease)
                case .delete(let range): .delete(range)
                case .range(let request): .range(request)
                case .transaction(let inner): .nested(try Path(inner, keyspace, load))
                }
            }
        }

        /// - Returns: the most keys that may change.
        func check(_ keyspace: View, _ leaseExists: LeaseExists) throws(StoreError) -> Int {
            var most = 0
            for step in steps {
                switch step {
                case .put(let key, let value, let lease):
                    most += 1
                    // What is kept must be there (etcd `checkRequestPut`).
                    if value == nil || lease == nil, keyspace[key].map({ $0.latest.isDeleted }) ?? true {
                        throw .invalid("etcdserver: key not found")
                    }
                    if let lease, lease != 0, !leaseExists(lease) { throw Keyspace.leaseNotFound }
                case .delete(let range): most += keyspace.range(RangeRequest(range, countOnly: true)).result.count
                case .range(let request): try keyspace.checkReadable(request)
                case .nested(let inner): most += try inner.check(keyspace, leaseExists)
                }
            }
            return most
        }
    }
}

extension Keyspace.View {
    /// What a transaction that changes nothing answers.
    /// - Throws: `StoreError` when it is refused; whatever `load` throws.
    func read(_ transaction: Transaction, _ load: Keyspace.Load) throws -> TransactionResult {
        try read(path(of: transaction, { _ in true }, load), load)
    }

    private func read(_ path: Keyspace.Path, _ load: Keyspace.Load) throws -> TransactionResult {
        let results: [OperationResult] = try path.steps.map { step in
            switch step {
            case .range(let request): .range(try range(request).filled(request, load))
            case .nested(let inner): .transaction(try read(inner, load))
            case .put, .delete: preconditionFailure("a transaction that only reads changes something")
            }
        }
        return TransactionResult(revision: revision, succeeded: path.succeeded, results: results)
    }

    /// - Throws: `StoreError` when the transaction is refused.
    fileprivate func path(of transaction: Transaction, _ leaseExists: Keyspace.LeaseExists, _ load: Keyspace.Load) throws -> Keyspace.Path {
        let path = try Keyspace.Path(transaction, self, load)
        let most = try path.check(self, leaseExists)
        guard most <= ChangeID.changesMax else {
            throw StoreError.invalid("the transaction changes up to \(most) keys; at most \(ChangeID.changesMax) may be")
        }
        return path
    }

    /// What a compare looks at; values are loaded only when they are asked for.
    fileprivate func seen(by compare: Compare, _ load: Keyspace.Load) throws -> [Entry] {
        var request = RangeRequest(compare.range ?? .single(compare.key), keysOnly: true)
        if case .value = compare.target { request.keysOnly = false }
        return try range(request).filled(request, load).entries
    }
}
