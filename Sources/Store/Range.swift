/// What to read: the keys of a range as they were at one revision.
package struct RangeRequest: Hashable, Sendable {
    package struct Sort: Hashable, Sendable {
        package enum Order: UInt8, Hashable, Sendable { case ascending, descending }
        package enum Target: UInt8, Hashable, Sendable { case key, version, createRevision, modRevision, value }

        package var order: Order
        package var target: Target

        package init(_ order: Order, by target: Target) {
            self.order = order
            self.target = target
        }
    }

    package var range: KeyRange
    /// nil (and, as in etcd, anything below 1) reads the newest.
    package var revision: Revision?
    /// The most entries to return; 0 is all.
    package var limit: Int
    package var countOnly: Bool
    package var keysOnly: Bool
    /// nil is by key, ascending. Those that compare equal are in key order.
    package var sort: Sort?
    /// Entries last changed, or created, before or after these are left out; 0 is no bound. They do not
    /// change the count (etcd `RangeRequest`).
    package var minMod: Revision = 0
    package var maxMod: Revision = 0
    package var minCreate: Revision = 0
    package var maxCreate: Revision = 0

    package init(
        _ range: KeyRange, at revision: Revision? = nil, limit: Int = 0, countOnly: Bool = false, keysOnly: Bool = false,
        sort: Sort? = nil
    ) {
        self.range = range
        self.revision = revision
        self.limit = limit
        self.countOnly = countOnly
        self.keysOnly = keysOnly
        self.sort = sort
    }
}

package struct RangeResult: Hashable, Sendable {
    /// In the order that was asked for.
    package var entries: [Entry]
    /// How many keys the range holds, whatever the limit and the bounds.
    package var count: Int
    /// The store's revision when it answered.
    package var revision: Revision
    /// Whether the limit left entries out.
    package var hasMore: Bool

    package init(entries: [Entry], count: Int, revision: Revision, hasMore: Bool = false) {
        self.entries = entries
        self.count = count
        self.revision = revision
        self.hasMore = hasMore
    }
}

/// What every store makes of the entries of a range.
extension RangeRequest {
    /// Whether entries must be bounded or sorted before the limit can be counted.
    package var isShaped: Bool {
        (sort != nil && sort != Sort(.ascending, by: .key)) || minMod > 0 || maxMod > 0 || minCreate > 0 || maxCreate > 0
    }

    /// Bounds, sorts and limits all entries of the range, which come in key order.
    package func shape(_ all: [Entry]) -> (entries: [Entry], hasMore: Bool) {
        var entries = isShaped ? all.filter(isWithinBounds) : all
        if let sort, isShaped { entries = sort.sorted(entries) }
        guard limit > 0, entries.count > limit else { return (entries, false) }
        return (Array(entries.prefix(limit)), true)
    }

    private func isWithinBounds(_ entry: Entry) -> Bool {
        (minMod <= 0 || entry.modRevision >= minMod) && (maxMod <= 0 || entry.modRevision <= maxMod)
            && (minCreate <= 0 || entry.createRevision >= minCreate) && (maxCreate <= 0 || entry.createRevision <= maxCreate)
    }
}

extension RangeRequest.Sort {
    /// Entries in key order, sorted; equal ones stay in key order.
    fileprivate func sorted(_ entries: [Entry]) -> [Entry] {
        if target == .key { return order == .ascending ? entries : entries.reversed() }
        let places = entries.indices.sorted { a, b in
            let (first, second) = order == .ascending ? (a, b) : (b, a)
            if comesBefore(entries[first], entries[second]) { return true }
            return !comesBefore(entries[second], entries[first]) && a < b
        }
        return places.map { entries[$0] }
    }

    private func comesBefore(_ a: Entry, _ b: Entry) -> Bool {
        switch target {
        case .key: a.key < b.key
        case .version: a.version < b.version
        case .createRevision: a.createRevision < b.createRevision
        case .modRevision: a.modRevision < b.modRevision
        case .value: Key(a.value) < Key(b.value)
        }
    }
}
