import Store

/// Every key with its versions since the last compaction, and of as many newest values as the
/// budget allows, the bytes. A decider: it knows no disk. Values that it does not hold it asks of
/// the `load` it is given.
struct Keyspace: Sendable {
    /// Reads one row of the history, which must be there.
    typealias Load = (ChangeID) throws -> Change

    struct Stamp: Hashable, Sendable {
        var id: ChangeID
        var isDeleted: Bool
    }

    /// What is known of one key.
    struct Record: Sendable {
        var latest: Stamp
        var createRevision: Revision
        var version: Int64
        var lease: Int64
        /// nil: deleted, or to be loaded.
        var value: [UInt8]?
        /// Ascending.
        var older: [Stamp] = []

        /// The version that was the newest at `revision`.
        func stamp(at revision: Revision) -> Stamp? {
            if latest.id.revision <= revision { return latest }
            let after = partition(older.count) { older[$0].id.revision > revision }
            return after > 0 ? older[after - 1] : nil
        }
    }

    private struct Superseded {
        var key: Key
        var id: ChangeID
        var by: Revision
    }

    private(set) var revision: Revision = 1
    /// The last compaction's revision; 0 before the first.
    private(set) var compacted: Revision = 0
    /// Keys that are there now.
    private(set) var liveKeys = 0
    private var records = SortedMap<Record>()
    private var cache: ValueCache
    /// What a compaction will find, in the order of `by`, so that it need not look at every key.
    private var superseded = Fifo<Superseded>()
    private var tombstones = Fifo<(key: Key, id: ChangeID)>()

    init(cacheBytes: Int) { cache = ValueCache(bytesMax: cacheBytes) }

    var cachedBytes: Int { cache.bytes }

    subscript(key: Key) -> Record? { records[key] }

    /// Takes in a change that was decided: by `apply`, or long ago and now read from the history.
    mutating func take(_ change: Change) {
        revision = max(revision, change.id.revision)
        let stamp = Stamp(id: change.id, isDeleted: change.value == nil)
        var old: (stamp: Stamp, bytes: Int?)?
        records.update(change.key) { record in
            old = (record.latest, record.value?.count)
            record.older.append(record.latest)
            record.latest = stamp
            record.createRevision = change.createRevision
            record.version = change.version
            record.lease = change.lease
            record.value = change.value
        }
        if old == nil {
            records.insert(change.key, Record(
                latest: stamp, createRevision: change.createRevision, version: change.version, lease: change.lease,
                value: change.value))
        }
        if let old { superseded.append(Superseded(key: change.key, id: old.stamp.id, by: change.id.revision)) }
        if stamp.isDeleted { tombstones.append((change.key, change.id)) }
        liveKeys += (stamp.isDeleted ? 0 : 1) - (old.map { $0.stamp.isDeleted ? 0 : 1 } ?? 0)
        if let bytes = old?.bytes { cache.forget(bytes: bytes) }
        if let bytes = change.value?.count { cache.add(change.key, change.id, bytes: bytes) }
        keepToBudget()
    }

    /// A revision that left no change behind after a compaction still counts.
    mutating func restore(revision: Revision) { self.revision = max(self.revision, revision) }

    private mutating func keepToBudget() {
        while let item = cache.takeExcess() {
            var isHeld = false
            records.update(item.key) { record in
                isHeld = record.latest.id == item.id && record.value != nil
                if isHeld { record.value = nil }
            }
            if isHeld { cache.forget(bytes: item.bytes) }
        }
        if cache.isUntidy {
            cache.tidy { item in records[item.key].map { $0.latest.id == item.id && $0.value != nil } ?? false }
        }
    }

    /// Forgets, of each key, what was not visible any more at `asked`; a tombstone of `asked` itself
    /// stays, so that a watch from there tells of it (etcd #18089).
    /// - Returns: the rows that may be deleted.
    mutating func compact(through asked: Revision) throws(StoreError) -> [ChangeID] {
        guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
        guard asked > compacted else { throw .compacted(oldest: max(compacted, 1)) }
        compacted = asked
        var gone: [ChangeID] = []
        while let next = superseded.first, next.by <= asked {
            _ = superseded.popFirst()
            if remove(next.id, of: next.key) { gone.append(next.id) }
        }
        while let next = tombstones.first, next.id.revision < asked {
            _ = tombstones.popFirst()
            if remove(next.id, of: next.key) { gone.append(next.id) }
        }
        return gone
    }

    /// False when it is gone already.
    private mutating func remove(_ id: ChangeID, of key: Key) -> Bool {
        var isFound = false
        var isLast = false
        records.update(key) { record in
            if record.latest.id == id {
                precondition(record.latest.isDeleted && record.older.isEmpty, "\(key) would lose its newest version")
                (isFound, isLast) = (true, true)
            } else if let place = record.older.firstIndex(where: { $0.id == id }) {
                record.older.remove(at: place)
                isFound = true
            }
        }
        if isLast { records.remove(key) }
        return isFound
    }

    func forEach(in range: KeyRange, _ body: (Key, Record) throws -> Void) rethrows {
        try records.forEach(in: range, body)
    }

    /// The version of `key` before `id`, unless it was deleted or compacted then.
    func predecessor(of id: ChangeID, _ key: Key) -> ChangeID? {
        guard let record = records[key] else { return nil }
        let stamps = record.older + [record.latest]
        guard let place = stamps.firstIndex(where: { $0.id == id }), place > 0 else { return nil }
        let previous = stamps[place - 1]
        return previous.isDeleted ? nil : previous.id
    }
}
