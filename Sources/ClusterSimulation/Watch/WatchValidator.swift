import Store

/// Holds one watch to everything that etcd promises of watches (etcd documentation, "KV API guarantees", Watch APIs):
/// ordered, unique, reliable, atomic, resumable, bookmarkable. All of it is one comparison: a batch that tells up to a
/// revision must hold exactly the events of its range since the last batch, whole revisions only.
package struct WatchValidator: Sendable {
    package let range: KeyRange
    /// The first revision that was not told of yet.
    package private(set) var position: Revision

    package init(_ range: KeyRange, from position: Revision) {
        self.range = range
        self.position = position
    }

    /// The revision to resume from after a break.
    package var resumption: Revision { position }

    /// - Parameters:
    ///   - compacted: the newest compaction that any member has carried out; events up to it may lack `previous`.
    /// - Returns: the promise that was broken, if one was.
    mutating func take(_ batch: WatchBatch, _ chronicle: Chronicle, compacted: Revision) -> String? {
        defer { position = max(position, batch.revision + 1) }
        let told = "watch of \(range.lower)… at \(position) was told through \(batch.revision)"
        if let early = batch.events.first(where: { $0.revision < position }) {
            return "\(told), of \(early.key) at \(early.revision) again or from before its start (unique, future start)"
        }
        if let late = batch.events.first(where: { $0.revision > batch.revision }) {
            return "\(told), with an event of \(late.revision) beyond it (bookmarkable)"
        }
        if batch.revision > chronicle.revision { return "\(told), but the newest revision is \(chronicle.revision)" }
        for (a, b) in zip(batch.events, batch.events.dropFirst()) where a.revision > b.revision {
            return "\(told), of revision \(b.revision) after \(a.revision) (ordered)"
        }
        let wanted = chronicle.events(range, from: position, through: batch.revision)
        for (place, event) in batch.events.enumerated() {
            guard place < wanted.count else {
                return "\(told), of \(event.key) at \(event.revision) beyond what happened (unique)"
            }
            if let problem = compare(event, wanted[place], compacted) { return "\(told), \(problem)" }
        }
        if batch.events.count < wanted.count {
            let missing = wanted[batch.events.count]
            let isTorn = batch.events.last?.revision == missing.revision
            return
                "\(told), without \(missing.key) at \(missing.revision) (\(isTorn ? "atomic" : "reliable, or progress past unsent events"))"
        }
        return nil
    }

    private func compare(_ seen: Event, _ wanted: Event, _ compacted: Revision) -> String? {
        guard seen.revision == wanted.revision else {
            return "of \(seen.key) at \(seen.revision), but \(wanted.key) at \(wanted.revision) comes first (reliable)"
        }
        guard seen.key == wanted.key else {
            return "of \(seen.key) where \(wanted.key) changed at \(wanted.revision) (ordered within a revision)"
        }
        switch (seen, wanted) {
        case (.put(let a, let before), .put(let b, let wantedBefore)):
            if a != b { return "of \(a), which was \(b)" }
            return comparePrevious(before, wantedBefore, seen, compacted)
        case (.delete(_, _, let before), .delete(_, _, let wantedBefore)):
            return comparePrevious(before, wantedBefore, seen, compacted)
        default: return "of \(seen), which was \(wanted)"
        }
    }

    private func comparePrevious(_ seen: Entry?, _ wanted: Entry?, _ event: Event, _ compacted: Revision) -> String? {
        if seen == wanted || (seen == nil && event.revision <= compacted) { return nil }
        return "of \(event.key) at \(event.revision) with a wrong value before it"
    }
}
