/// The part of the log that is kept in memory: all that may still be replaced, and what slow members may need.
/// The entry of index i lies in slot i modulo the capacity, so nothing moves when the front is let go.
struct RaftLog: Sendable {
    /// The place before the first kept entry.
    private(set) var base: Position
    private(set) var last: Position
    /// Of all kept entries.
    private(set) var cost = 0
    private var slots: [Entry]

    private static let nothing = Entry(index: 0, term: 0, bytes: [])

    init(base: Position, entries: [Entry] = []) {
        self.base = base
        last = base
        slots = []
        append(entries)
    }

    var count: Int { Int(last.index - base.index) }
    private func slot(_ index: UInt64) -> Int { Int(truncatingIfNeeded: index) & (slots.count - 1) }

    subscript(index: UInt64) -> Entry {
        precondition(index > base.index && index <= last.index, "entry \(index) is not kept")
        return slots[slot(index)]
    }

    /// Nil when the place is not known: cut off, or beyond the end.
    func term(at index: UInt64) -> UInt64? {
        if index == last.index { return last.term }
        if index == base.index { return base.term }
        return index > base.index && index < last.index ? slots[slot(index)].term : nil
    }

    func holds(_ position: Position) -> Bool { term(at: position.index) == position.term }

    /// The entries must follow the last one.
    mutating func append(_ entries: [Entry]) {
        guard let end = entries.last else { return }
        reserve(count + entries.count)
        for entry in entries {
            precondition(entry.index == last.index + 1 && entry.term >= last.term, "entry \(entry.position) after \(last)")
            slots[slot(entry.index)] = entry
            cost += entry.cost
            last = entry.position
        }
        assert(last == end.position)
    }

    /// Lets go of the entry at `index` and all after it.
    mutating func truncate(from index: UInt64) {
        precondition(index > base.index, "entry \(index) is not kept")
        guard index <= last.index, let term = term(at: index - 1) else { return }
        for gone in index...last.index { free(gone) }
        last = Position(index: index - 1, term: term)
    }

    /// Lets go of old entries up to `index` while the rest costs more than `costMax`.
    mutating func trim(through index: UInt64, costMax: Int) {
        while cost > costMax, base.index < min(index, last.index) {
            let first = base.index + 1
            base = slots[slot(first)].position
            free(first)
        }
    }

    /// Begins anew after `position`.
    mutating func reset(to position: Position) {
        self = RaftLog(base: position)
    }

    /// Entries from `index` on that cost at most `costMax` together; one at least, where there is one.
    func entries(from index: UInt64, costMax: Int) -> [Entry] {
        precondition(index > base.index, "entry \(index) is not kept")
        var end = index
        var cost = 0
        while end <= last.index {
            cost += slots[slot(end)].cost
            if cost > costMax, end > index { break }
            end += 1
        }
        return entries(after: index - 1, through: end - 1)
    }

    func entries(after index: UInt64, through end: UInt64) -> [Entry] {
        precondition(index >= base.index && end <= last.index, "entries \(index)...\(end) are not kept")
        guard end > index else { return [] }
        let length = Int(end - index)
        return [Entry](unsafeUninitializedCapacity: length) { buffer, initialized in
            for at in 0..<length { buffer.initializeElement(at: at, to: slots[slot(index + 1 + UInt64(at))]) }
            initialized = length
        }
    }

    /// The last place at or before `index` whose term is at most `term`: two logs cannot agree on any later one,
    /// when the other has that position at its end. Whole terms are skipped in one exchange of messages.
    func lastPlace(atMost index: UInt64, term: UInt64) -> Position {
        var at = min(index, last.index)
        while at >= base.index, let mine = self.term(at: at) {
            if mine <= term { return Position(index: at, term: mine) }
            if at == 0 { break }
            at -= 1
        }
        return Position(index: at, term: 0)
    }

    private mutating func free(_ index: UInt64) {
        cost -= slots[slot(index)].cost
        slots[slot(index)] = Self.nothing
    }

    private mutating func reserve(_ needed: Int) {
        guard needed > slots.count else { return }
        var capacity = max(slots.count, 16)
        while capacity < needed { capacity *= 2 }
        var wider = [Entry](repeating: Self.nothing, count: capacity)
        var index = base.index
        while index < last.index {
            index += 1
            // Moved and not copied: of a hundred thousand entries every member counts the references at the same time otherwise.
            swap(&wider[Int(truncatingIfNeeded: index) & (capacity - 1)], &slots[slot(index)])
        }
        slots = wider
    }
}
