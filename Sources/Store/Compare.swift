extension Compare {
    /// Whether it holds for all that its key or range holds now; none is a missing key.
    package func holds(forAll entries: [Entry]) -> Bool {
        entries.isEmpty ? holds(for: nil) : entries.allSatisfy { holds(for: $0) }
    }

    /// Whether it holds for what the key holds now, nil when it is not there.
    package func holds(for entry: Entry?) -> Bool {
        switch target {
        case .version(let wanted): relation.holds(entry?.version ?? 0, wanted)
        case .createRevision(let wanted): relation.holds(entry?.createRevision ?? 0, wanted)
        case .modRevision(let wanted): relation.holds(entry?.modRevision ?? 0, wanted)
        case .lease(let wanted): relation.holds(entry?.lease ?? 0, wanted)
        case .value(let wanted):
            if let entry { relation.holds(Key(entry.value), Key(wanted)) } else { false }
        }
    }
}

extension Compare.Relation {
    fileprivate func holds<T: Comparable>(_ seen: T, _ wanted: T) -> Bool {
        switch self {
        case .equal: seen == wanted
        case .greater: seen > wanted
        case .less: seen < wanted
        case .notEqual: seen != wanted
        }
    }
}
