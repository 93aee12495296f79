import Bytes
import Store

extension Keyspace {
    /// What the keyspace holds at one moment. To take it costs nothing; while it is kept, a change copies the few keys beside its own,
    /// and the first one the list of these pages: so who looks at many keys holds nobody up.
    struct View: Sendable {
        var records: SortedMap<Record>
        var revision: Revision
        var compacted: Revision

        subscript(key: Key) -> Record? { records[key] }
    }

    /// An answer, some of whose entries may still lack what is not in memory.
    struct Answer {
        /// All entries, before they are bounded and sorted, where the request asks for that.
        var result: RangeResult
        /// The place in `result.entries`, and the row that has the rest.
        var missing: [(place: Int, id: ChangeID)] = []

        /// Loads what is missing, and makes of it what was asked for.
        func filled(_ request: RangeRequest, _ load: Load) rethrows -> RangeResult {
            var result = result
            for (place, id) in missing {
                guard let entry = try load(id).entry else { preconditionFailure("\(id) is a tombstone") }
                result.entries[place] = entry
            }
            guard request.isShaped else {
                if request.keysOnly { for (place, _) in missing { result.entries[place].value = [] } }
                return result
            }
            (result.entries, result.hasMore) = request.shape(result.entries)
            if request.keysOnly { for place in result.entries.indices { result.entries[place].value = [] } }
            return result
        }

        /// - Parameter rows: all that are missing.
        func filled(_ request: RangeRequest, _ rows: [ChangeID: Change]) -> RangeResult {
            filled(request) { id in
                guard let change = rows[id] else { preconditionFailure("row \(id) was not loaded") }
                return change
            }
        }
    }

    /// The newest state of one key.
    func current(_ key: Key, _ load: Load) rethrows -> Entry? { try entry(key, self[key], load) }

    func entry(_ key: Key, _ record: Record?, _ load: Load) rethrows -> Entry? {
        guard let record, !record.latest.isDeleted else { return nil }
        guard let value = record.value else { return try load(record.latest.id).entry }
        return Entry(
            key: key, value: value, createRevision: record.createRevision, modRevision: record.latest.id.revision,
            version: record.version, lease: record.lease)
    }
}

extension Keyspace.View {
    /// That revision, or the newest, can be read.
    func checkReadable(_ request: RangeRequest) throws(StoreError) {
        guard let asked = request.revision, asked > 0 else { return }
        guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
        guard asked >= compacted else { throw .compacted(oldest: compacted) }
    }

    /// The revision must be readable.
    func range(_ request: RangeRequest) -> Keyspace.Answer {
        let asked = request.revision ?? 0
        let isOld = asked > 0 && asked < revision
        let limit = request.isShaped ? 0 : request.limit
        let wantsValues = !request.keysOnly || request.sort?.target == .value
        var answer = Keyspace.Answer(result: RangeResult(entries: [], count: 0, revision: revision))
        records.forEach(in: request.range) { key, record in
            guard let stamp = isOld ? record.stamp(at: asked) : record.latest, !stamp.isDeleted else { return }
            answer.result.count += 1
            if request.countOnly { return }
            if limit > 0, answer.result.entries.count >= limit { return answer.result.hasMore = true }
            let isLatest = stamp.id == record.latest.id
            if !isLatest || (record.value == nil && wantsValues) {
                answer.missing.append((answer.result.entries.count, stamp.id))
            }
            answer.result.entries.append(Entry(
                key: key, value: wantsValues ? record.value ?? [] : [], createRevision: record.createRevision,
                modRevision: stamp.id.revision, version: record.version, lease: record.lease))
        }
        return answer
    }

    /// A checksum of all that can still be read at `revision` or was before it: of each key in order, of each of its
    /// rows up to `revision` in order, the row's number and its checksum. Members that were compacted through the
    /// same revision, and have forgotten all that they may, have the same, whatever they cached or deleted from the disk.
    func hash(through revision: Revision) -> UInt32 {
        var sum: UInt32 = 0
        var out = ByteWriter()
        records.forEach(in: .all) { _, record in
            for stamp in record.older where stamp.id.revision <= revision { out.write(stamp) }
            if record.latest.id.revision <= revision { out.write(record.latest) }
            if out.bytes.count > 1 << 16 {
                sum = CRC32C.checksum(out.bytes, seed: sum)
                out.removeAll()
            }
        }
        return CRC32C.checksum(out.bytes, seed: sum)
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ stamp: Keyspace.Stamp) {
        write(stamp.id.number)
        write(stamp.checksum)
    }
}
