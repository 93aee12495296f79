import DequeModule

/// What is kept under numbers that rise by one, and is mostly taken in that order.
struct Slots<Content: Sendable>: Sendable {
    private var slots: Deque<Content?> = []
    private var first: UInt64 = 0

    /// Whether all was taken.
    var isEmpty: Bool { slots.isEmpty }

    /// The number of what was added.
    mutating func add(_ content: Content) -> UInt64 {
        slots.append(content)
        return first + UInt64(slots.count) - 1
    }

    mutating func take(_ number: UInt64) -> Content? {
        guard number >= first, number - first < UInt64(slots.count) else { return nil }
        var content: Content?
        swap(&content, &slots[Int(number - first)])
        while case .some(.none) = slots.first {
            slots.removeFirst()
            first += 1
        }
        return content
    }

    /// All that are left, in order.
    mutating func takeAll() -> [Content] {
        let all = slots.compactMap { $0 }
        first += UInt64(slots.count)
        slots = []
        return all
    }
}
