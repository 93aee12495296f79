import Bytes
import Store

/// Every key with its versions since the last compaction, and of as many newest values as the
/// budget allows, the bytes. A decider: it knows no disk. Values that it does not hold it asks of
/// the `load` it is given.
struct Keyspace: Sendable {
    /// Reads one row of the history, which must be there.
    typealias Load = (ChangeID) throws -> Change

    struct Stamp: Hashable, Sendable {
        var id: ChangeID
        /// Of the row.
        var checksum: UInt32
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
        /// Of the value, wherever it is.
        var valueBytes: Int
        /// Ascending. The first ones go first: of a slice they go without the others being moved.
        var older: ArraySlice<Stamp> = []

        /// The version that was the newest at `revision`.
        func stamp(at revision: Revision) -> Stamp? {
            if latest.id.revision <= revision { return latest }
            let after = partition(older.count) { older[older.startIndex + $0].id.revision > revision }
            return after > 0 ? older[older.startIndex + after - 1] : nil
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
    /// Of all keys that are there now, values included: what the quota bounds.
    private(set) var liveBytes = 0
    private var records = SortedMap<Record>()
    private var cache: ValueCache
    /// What a compaction will find, in the order of `by`, so that it need not look at every key.
    private var superseded = Fifo<Superseded>()
    private var tombstones = Fifo<(key: Key, id: ChangeID)>()

    init(cacheBytes: Int) { cache = ValueCache(bytesMax: cacheBytes) }

    var cachedBytes: Int { cache.bytes }

    subscript(key: Key) -> Record? { records[key] }

    /// What is known of a key, and its place for `take`.
    func find(_ key: Key) -> (place: SortedMap<Record>.Place, record: Record?) {
        let place = records.place(of: key)
        return (place, records[place])
    }

    /// Takes in a change that was decided: by `apply`, or long ago and now read from the history.
    /// - Parameter place: the key's, when nothing was taken in since it was found.
    mutating func take(_ change: Change, at place: SortedMap<Record>.Place? = nil) {
        revision = max(revision, change.id.revision)
        let stamp = Stamp(id: change.id, checksum: change.checksum, isDeleted: change.isDeleted)
        let fresh = Record(
            latest: stamp, createRevision: change.createRevision, version: change.version, lease: change.lease,
            value: change.value, valueBytes: change.valueBytes)
        var old: (stamp: Stamp, isCached: Bool, bytes: Int)?
        records.upsert(change.key, at: place, fresh) { record in
            old = (record.latest, record.value != nil, record.valueBytes)
            record.older.append(record.latest)
            record.latest = stamp
            record.createRevision = change.createRevision
            record.version = change.version
            record.lease = change.lease
            record.value = change.value
            record.valueBytes = change.valueBytes
        }
        if let old {
            superseded.append(Superseded(key: change.key, id: old.stamp.id, by: change.id.revision))
            if !old.stamp.isDeleted {
                liveKeys -= 1
                liveBytes -= Self.liveBytes(of: change.key, old.bytes)
            }
            if old.isCached { cache.forget(old.stamp.id) }
        }
        if stamp.isDeleted {
            tombstones.append((change.key, change.id))
        } else {
            liveKeys += 1
            liveBytes += Self.liveBytes(of: change.key, change.valueBytes)
        }
        if let bytes = change.value?.count { cache.add(change.key, change.id, bytes: bytes) }
        keepToBudget()
    }

    /// What a key counts in the quota: its bytes, its value's, and something for the row.
    static func liveBytes(of key: Key, _ valueBytes: Int) -> Int { key.bytes.count + valueBytes + 64 }

    /// A revision that left no change behind after a compaction still counts.
    mutating func restore(revision: Revision) { self.revision = max(self.revision, revision) }

    private mutating func keepToBudget() {
        while let item = cache.takeExcess() {
            records.update(item.key) { if $0.latest.id == item.id { $0.value = nil } }
        }
    }

    /// Of what was taken in from a history that was compacted through `compacted`, or never when that is 0, forgets all it may.
    /// - Returns: the rows that may be deleted.
    mutating func restore(compacted: Revision) throws(StoreError) -> [ChangeID] {
        guard compacted > 0 else { return [] }
        try compact(through: compacted)
        return forget(atMost: .max)
    }

    /// Nobody may read what was older than `asked` any more. What that is goes with `forget`: a million versions at once would
    /// hold up everything else.
    mutating func compact(through asked: Revision) throws(StoreError) {
        guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
        guard asked > compacted else { throw .compacted(oldest: max(compacted, 1)) }
        compacted = asked
    }

    /// Versions that compactions forget sooner or later. Only `forget` makes them fewer.
    var forgettable: Int { superseded.count + tombstones.count }

    /// Whether `forget` would find something.
    var hasCompacted: Bool {
        superseded.first.map { $0.by <= compacted } ?? false || tombstones.first.map { $0.id.revision < compacted } ?? false
    }

    /// Forgets, of each key, what was not visible any more at the last compaction's revision; a tombstone of that revision
    /// itself stays, so that a watch from there tells of it (etcd #18089).
    /// - Returns: the rows that may be deleted.
    mutating func forget(atMost most: Int) -> [ChangeID] {
        var gone: [ChangeID] = []
        let compacted = compacted
        var left = most
        while left > 0, let next = superseded.popFirst(where: { $0.by <= compacted }) {
            left -= 1
            if remove(next.id, of: next.key) { gone.append(next.id) }
        }
        // All versions before a tombstone are gone by now.
        while left > 0, let next = tombstones.popFirst(where: { $0.id.revision < compacted }) {
            left -= 1
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
            } else if record.older.first?.id == id {
                // Versions of a key go in their order. One that is not the first was a tombstone, and went when what followed it came.
                record.older.removeFirst()
                isFound = true
            }
        }
        if isLast { records.remove(key) }
        return isFound
    }

    var view: View { View(records: records, revision: revision, compacted: compacted) }

    /// The version of `key` before `id`, unless it was deleted or compacted then.
    func predecessor(of id: ChangeID, _ key: Key) -> ChangeID? {
        guard let record = records[key] else { return nil }
        let older = record.older
        let place = older.startIndex + partition(older.count) { older[older.startIndex + $0].id >= id }
        let found = place < older.endIndex ? older[place].id : record.latest.id
        guard found == id, place > older.startIndex, !older[place - 1].isDeleted else { return nil }
        return older[place - 1].id
    }
}
