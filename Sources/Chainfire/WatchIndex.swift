import Store

/// Finds the groups whose range holds a key, without looking at the others.
///
/// Single keys lie in a dictionary. Ranges lie sorted by their lower end, with the largest upper end of each
/// subtree of the implied balanced tree, so that whole subtrees are passed over; ranges that came since are few
/// and looked at one by one, until they are worth sorting in.
struct WatchIndex: Sendable {
    private struct Span: Sendable {
        var range: KeyRange
        var group: Int
    }

    private var singles: [Key: [Int]] = [:]
    private var sorted: [Span] = []
    /// Of the subtree around the same place in `sorted`; nil: one of them has no end.
    private var ends: [Key?] = []
    private var fresh: [Span] = []
    /// Groups in `sorted` that left.
    private var gone: Set<Int> = []

    mutating func insert(_ range: KeyRange, _ group: Int) {
        if let key = range.single { return singles[key, default: []].append(group) }
        fresh.append(Span(range: range, group: group))
        if fresh.count > max(64, sorted.count / 8) { rebuild() }
    }

    mutating func remove(_ range: KeyRange, _ group: Int) {
        if let key = range.single {
            singles[key]?.removeAll { $0 == group }
            if singles[key]?.isEmpty == true { singles[key] = nil }
        } else if let place = fresh.firstIndex(where: { $0.group == group }) {
            fresh.remove(at: place)
        } else {
            gone.insert(group)
            if gone.count > max(64, sorted.count / 2) { rebuild() }
        }
    }

    /// Each group whose range holds the key, once.
    func forEach(holding key: Key, _ body: (Int) -> Void) {
        for group in singles[key] ?? [] { body(group) }
        for span in fresh where span.range.contains(key) { body(span.group) }
        stab(key, 0, sorted.count, body)
    }

    private func stab(_ key: Key, _ low: Int, _ high: Int, _ body: (Int) -> Void) {
        guard low < high else { return }
        let middle = low + (high - low) / 2
        if let end = ends[middle], end <= key { return }
        stab(key, low, middle, body)
        guard sorted[middle].range.lower <= key else { return }
        if sorted[middle].range.contains(key), !gone.contains(sorted[middle].group) { body(sorted[middle].group) }
        stab(key, middle + 1, high, body)
    }

    private mutating func rebuild() {
        sorted = (sorted.filter { !gone.contains($0.group) } + fresh).sorted {
            ($0.range.lower, $0.group) < ($1.range.lower, $1.group)
        }
        fresh = []
        gone = []
        ends = Array(repeating: Key([]), count: sorted.count)
        _ = measure(0, sorted.count)
    }

    /// - Returns: the largest end between the two places; `.some(nil)` is endless, nil is of nothing.
    private mutating func measure(_ low: Int, _ high: Int) -> Key?? {
        guard low < high else { return nil }
        let middle = low + (high - low) / 2
        var largest = sorted[middle].range.upper
        for part in [measure(low, middle), measure(middle + 1, high)] {
            guard let end = part, let known = largest else { continue }
            if let end { largest = max(known, end) } else { largest = nil }
        }
        ends[middle] = largest
        return .some(largest)
    }
}

extension KeyRange {
    /// The key that is all of this range.
    var single: Key? {
        guard let upper, upper.bytes.count == lower.bytes.count + 1, upper.bytes.last == 0, upper.bytes.starts(with: lower.bytes)
        else { return nil }
        return lower
    }
}
