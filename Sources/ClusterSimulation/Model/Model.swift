import Store

/// What the store is said to be, written a second time and as simply as can be: the versions of every key in plain
/// arrays, no cache, no index. Slow for many keys, and a simulation has few.
package struct Model: Hashable, Sendable {
    struct Version: Hashable, Sendable {
        var revision: Revision
        var entry: Entry?
    }

    private(set) package var revision: Revision = 1
    private(set) package var compacted: Revision = 0
    /// Sorted by key; the versions ascend.
    private var keys: [(key: Key, versions: [Version])] = []
    /// The seconds each lease was granted for.
    private(set) var leases: [Int64: Int64] = [:]
    /// Whether a put with a lease needs that lease to be there.
    private let checksLeases: Bool

    package init(checksLeases: Bool) { self.checksLeases = checksLeases }

    package static func == (a: Model, b: Model) -> Bool {
        a.revision == b.revision && a.compacted == b.compacted && a.leases == b.leases && a.keys.count == b.keys.count
            && zip(a.keys, b.keys).allSatisfy { $0.key == $1.key && $0.versions == $1.versions }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(revision)
        for (key, versions) in keys {
            hasher.combine(key)
            hasher.combine(versions)
        }
    }

    private func place(_ key: Key) -> (Int, isThere: Bool) {
        let place = keys.firstIndex { $0.key >= key } ?? keys.count
        return (place, place < keys.count && keys[place].key == key)
    }

    package func entry(_ key: Key) -> Entry? {
        let (place, isThere) = place(key)
        return isThere ? keys[place].versions.last?.entry : nil
    }

    private mutating func set(_ key: Key, _ entry: Entry?) {
        let (place, isThere) = place(key)
        if !isThere { keys.insert((key, []), at: place) }
        keys[place].versions.append(Version(revision: revision, entry: entry))
    }

    /// All live entries of a range as they were at `revision`.
    func entries(_ range: KeyRange, at revision: Revision) -> [Entry] {
        keys.compactMap { key, versions in
            guard range.contains(key) else { return nil }
            return versions.last { $0.revision <= revision }?.entry
        }
    }

    private func check(_ request: RangeRequest) -> Result<Void, StoreError> {
        let asked = request.revision ?? 0
        if asked > revision { return .failure(.futureRevision(asked: asked, current: revision)) }
        if asked > 0, asked < compacted { return .failure(.compacted(oldest: compacted)) }
        return .success(())
    }

    package func range(_ request: RangeRequest) -> Result<RangeResult, StoreError> {
        if case .failure(let error) = check(request) { return .failure(error) }
        let asked = request.revision ?? 0
        var all = entries(request.range, at: asked > 0 ? asked : revision)
        let count = all.count
        let hasMore = request.limit > 0 && count > request.limit
        if hasMore { all = Array(all.prefix(request.limit)) }
        if request.keysOnly { for place in all.indices { all[place].value = [] } }
        return .success(
            RangeResult(
                entries: request.countOnly ? [] : all, count: count, revision: revision, hasMore: hasMore && !request.countOnly))
    }

    // MARK: changes; each returns its events in order

    /// Carries out a transaction without nested ones.
    package mutating func commit(_ transaction: Transaction) -> (result: Result<TransactionResult, StoreError>, events: [Event]) {
        let succeeded = transaction.compares.allSatisfy { $0.holds(for: entry($0.key)) }
        let operations = succeeded ? transaction.then : transaction.otherwise
        let mutates = operations.contains { operation in
            switch operation {
            case .put: true
            case .delete(let range): !entries(range, at: revision).isEmpty
            default: false
            }
        }
        // What is refused is refused before anything changes.
        for operation in operations {
            if case .put(_, _, let lease) = operation, checksLeases, lease != 0, leases[lease] == nil {
                return (.failure(.missing("etcdserver: requested lease not found")), [])
            }
            if case .range(let request) = operation, case .failure(let error) = check(request) { return (.failure(error), []) }
        }
        if mutates { revision += 1 }
        var events: [Event] = []
        var results: [OperationResult] = []
        for operation in operations {
            if case .put(let key, let value, let lease) = operation {
                let previous = entry(key)
                let new = Entry(
                    key: key, value: value, createRevision: previous?.createRevision ?? revision, modRevision: revision,
                    version: (previous?.version ?? 0) + 1, lease: lease)
                set(key, new)
                events.append(.put(new, previous: previous))
                results.append(.put(previous: previous))
            } else if case .delete(let range) = operation {
                let gone = entries(range, at: revision)
                for entry in gone { events.append(delete(entry)) }
                results.append(.delete(previous: gone))
            } else if case .range(let request) = operation {
                if case .success(let result) = self.range(request) { results.append(.range(result)) }
            } else {
                preconditionFailure("the model does not know \(operation)")
            }
        }
        return (.success(TransactionResult(revision: revision, succeeded: succeeded, results: results)), events)
    }

    private mutating func delete(_ entry: Entry) -> Event {
        set(entry.key, nil)
        return .delete(entry.key, modRevision: revision, previous: entry)
    }

    /// - Returns: nil when there was such a lease already.
    mutating func grant(_ lease: Int64, seconds: Int64) -> Int64? {
        guard leases[lease] == nil else { return nil }
        leases[lease] = seconds
        return seconds
    }

    /// Ends a lease and deletes its keys, all at one revision; nil: there is no such lease.
    mutating func revoke(_ lease: Int64) -> [Event]? {
        guard leases.removeValue(forKey: lease) != nil || !checksLeases else { return nil }
        let gone = entries(.all, at: revision).filter { $0.lease == lease }
        guard !gone.isEmpty else { return [] }
        revision += 1
        return gone.map { delete($0) }
    }

    package mutating func compact(_ asked: Revision) -> StoreError? {
        if asked > revision { return .futureRevision(asked: asked, current: revision) }
        if asked <= compacted { return .compacted(oldest: max(compacted, 1)) }
        compacted = asked
        for place in keys.indices {
            guard let last = keys[place].versions.lastIndex(where: { $0.revision <= asked }), last > 0 else { continue }
            keys[place].versions.removeFirst(last)
        }
        keys.removeAll { $0.versions.allSatisfy { $0.entry == nil && $0.revision < asked } }
        return nil
    }
}
