import Store

extension Keyspace {
    /// An answer, some of whose entries still lack what is not in memory.
    struct Answer {
        var result: RangeResult
        /// The place in `result.entries`, and the row that has the rest.
        var missing: [(place: Int, id: ChangeID)] = []

        mutating func fill(_ load: Load, keysOnly: Bool) rethrows {
            for (place, id) in missing {
                guard var entry = try load(id).entry else { preconditionFailure("\(id) is a tombstone") }
                if keysOnly { entry.value = [] }
                result.entries[place] = entry
            }
            missing = []
        }
    }

    func checkReadable(_ request: RangeRequest) throws(StoreError) {
        guard let asked = request.revision, asked > 0 else { return }
        guard asked <= revision else { throw .futureRevision(asked: asked, current: revision) }
        guard asked >= compacted else { throw .compacted(oldest: compacted) }
    }

    /// The revision must be readable.
    func range(_ request: RangeRequest) -> Answer {
        let asked = request.revision ?? 0
        let isOld = asked > 0 && asked < revision
        var answer = Answer(result: RangeResult(entries: [], count: 0, revision: revision))
        forEach(in: request.range) { key, record in
            guard let stamp = isOld ? record.stamp(at: asked) : record.latest, !stamp.isDeleted else { return }
            answer.result.count += 1
            if request.countOnly || (request.limit > 0 && answer.result.entries.count >= request.limit) { return }
            let isLatest = stamp == record.latest
            if !isLatest || (record.value == nil && !request.keysOnly) {
                answer.missing.append((answer.result.entries.count, stamp.id))
            }
            answer.result.entries.append(Entry(
                key: key, value: request.keysOnly ? [] : record.value ?? [], createRevision: record.createRevision,
                modRevision: stamp.id.revision, version: record.version, lease: record.lease))
        }
        return answer
    }

    /// The newest state of one key.
    func current(_ key: Key, _ load: Load) rethrows -> Entry? {
        guard let record = self[key], !record.latest.isDeleted else { return nil }
        guard let value = record.value else { return try load(record.latest.id).entry }
        return Entry(
            key: key, value: value, createRevision: record.createRevision, modRevision: record.latest.id.revision,
            version: record.version, lease: record.lease)
    }
}
