import Store

/// A part of a store that others use too: every key of ours has the prefix there, and nothing outside it is touched.
/// Revisions are the whole store's, so they also rise by what others write, and a compaction is everybody's.
struct PrefixStore: Store {
    let base: any Store
    let prefix: Key

    init(_ base: any Store, prefix: Key) {
        self.base = base
        self.prefix = prefix
    }

    func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult {
        strip(try await base.range(add(request)))
    }

    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        // Before the prefix makes a key of an empty one.
        try transaction.validate()
        return strip(try await base.commit(add(transaction)))
    }

    func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch {
        let follower = Follower(try await base.watch(add(range), from: revision))
        return Watch(AsyncThrowingStream { [self] in try await follower.next().map(strip) })
    }

    func compact(through revision: Revision) async throws(StoreError) {
        try await base.compact(through: revision)
    }

    private actor Follower {
        private var iterator: Watch.AsyncIterator

        init(_ watch: Watch) { iterator = watch.makeAsyncIterator() }

        func next() async throws -> WatchBatch? {
            var copy = iterator
            let batch = try await copy.next(isolation: self)
            iterator = copy
            return batch
        }
    }
}

extension PrefixStore {
    private func add(_ key: Key) -> Key { Key(prefix.bytes + key.bytes) }

    private func add(_ range: KeyRange) -> KeyRange {
        // "To the end" ends where the prefix ends.
        KeyRange(lower: add(range.lower), upper: range.upper.map(add) ?? prefix.prefixEnd)
    }

    private func add(_ request: RangeRequest) -> RangeRequest {
        var request = request
        request.range = add(request.range)
        return request
    }

    private func add(_ compare: Compare) -> Compare {
        var compare = compare
        compare.key = add(compare.key)
        compare.range = compare.range.map(add)
        return compare
    }

    private func add(_ operation: Operation) -> Operation {
        switch operation {
        case .put(let key, let value, let lease): .put(add(key), value, lease: lease)
        case .amend(let key, let value, let lease): .amend(add(key), value: value, lease: lease)
        case .delete(let range): .delete(add(range))
        case .range(let request): .range(add(request))
        case .transaction(let transaction): .transaction(add(transaction))
        }
    }

    private func add(_ transaction: Transaction) -> Transaction {
        Transaction(if: transaction.compares.map(add), then: transaction.then.map(add), otherwise: transaction.otherwise.map(add))
    }

    private func strip(_ key: Key) -> Key { Key(Array(key.bytes.dropFirst(prefix.bytes.count))) }

    private func strip(_ entry: Entry) -> Entry {
        var entry = entry
        entry.key = strip(entry.key)
        return entry
    }

    private func strip(_ result: RangeResult) -> RangeResult {
        var result = result
        result.entries = result.entries.map(strip)
        return result
    }

    private func strip(_ result: OperationResult) -> OperationResult {
        switch result {
        case .put(let previous): .put(previous: previous.map(strip))
        case .delete(let previous): .delete(previous: previous.map(strip))
        case .range(let range): .range(strip(range))
        case .transaction(let inner): .transaction(strip(inner))
        }
    }

    private func strip(_ result: TransactionResult) -> TransactionResult {
        var result = result
        result.results = result.results.map(strip)
        return result
    }

    @Sendable private func strip(_ batch: WatchBatch) -> WatchBatch {
        WatchBatch(revision: batch.revision, events: batch.events.map { event in
            switch event {
            case .put(let entry, let previous): .put(strip(entry), previous: previous.map(strip))
            case .delete(let key, let revision, let previous): .delete(strip(key), modRevision: revision, previous: previous.map(strip))
            }
        })
    }
}
