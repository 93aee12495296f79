import Store

/// Every version of every key since the last compaction.
struct MemoryHistory {
    private struct Version {
        var revision: Revision
        /// nil: deleted at that revision.
        var entry: Entry?
        /// What the key held before; kept for the events.
        var previous: Entry?
    }
    /// Sorted; also those that are deleted now but have history.
    private var keys: [Key] = []
    private var versions: [Key: [Version]] = [:]
    /// Every change in order, for the watches: the key and the revision of a version.
    private var changes: [(revision: Revision, key: Key)] = []

    func current(_ key: Key) -> Entry? { versions[key]?.last?.entry }

    mutating func append(_ key: Key, _ entry: Entry?, at revision: Revision) {
        let previous = current(key)
        if versions[key] == nil { keys.insert(key, at: place(of: key)) }
        versions[key, default: []].append(Version(revision: revision, entry: entry, previous: previous))
        changes.append((revision, key))
    }

    func range(_ request: RangeRequest, current: Revision) -> RangeResult {
        let asked = request.revision ?? 0
        let revision = asked > 0 ? asked : current
        var all: [Entry] = []
        for key in keys[place(of: request.range.lower)...] {
            guard request.range.contains(key) else { break }
            if let entry = versions[key]?.last(where: { $0.revision <= revision })?.entry { all.append(entry) }
        }
        var result = RangeResult(entries: [], count: all.count, revision: current)
        if request.countOnly { return result }
        (result.entries, result.hasMore) = request.shape(all)
        if request.keysOnly { for place in result.entries.indices { result.entries[place].value = [] } }
        return result
    }

    /// In the order of the revisions; within one, in the order the operations were carried out.
    func events(in range: KeyRange, from start: Revision) -> [Event] {
        let first = changes.partitioningIndex { $0.revision >= start }
        return changes[first...].filter { range.contains($0.key) }.map { change in
            guard let version = versions[change.key]?.last(where: { $0.revision == change.revision }) else {
                preconditionFailure("\(change.key) changed at \(change.revision) but has no version of it")
            }
            return if let entry = version.entry {
                .put(entry, previous: version.previous)
            } else {
                .delete(change.key, modRevision: change.revision, previous: version.previous)
            }
        }
    }

    /// Keeps of each key what is visible at `revision`, all that came later, and the tombstones of
    /// `revision` itself, so that a watch from there still tells of them.
    mutating func compact(through revision: Revision) {
        for key in keys {
            guard let all = versions[key] else { continue }
            let visible = all.lastIndex { $0.revision <= revision }
            let kept = all.indices.filter { index in
                all[index].revision > revision
                    || (index == visible && (all[index].entry != nil || all[index].revision == revision))
            }
            versions[key] = kept.isEmpty ? nil : kept.map { index in
                var version = all[index]
                // What was overwritten at or before the compaction is forgotten.
                if version.revision <= revision { version.previous = nil }
                return version
            }
        }
        keys.removeAll { versions[$0] == nil }
        changes.removeAll { $0.revision < revision }
    }

    /// The index of the first key that is not before `key`.
    private func place(of key: Key) -> Int { keys.partitioningIndex { $0 >= key } }
}

extension Array {
    /// The first index from which `belongs` is true; it is false before and true after.
    fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if belongs(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
