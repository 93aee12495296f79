/// First in, first out, with amortised constant cost.
struct Fifo<Element: Sendable>: Sendable {
    private var slots: [Element?] = []
    private var head = 0

    var count: Int { slots.count - head }
    var isEmpty: Bool { count == 0 }
    var first: Element? { isEmpty ? nil : slots[head] }

    /// `place` counts from the first.
    subscript(place: Int) -> Element {
        guard let element = slots[head + place] else { preconditionFailure("\(place) is not in the queue") }
        return element
    }

    mutating func append(_ element: Element) { slots.append(element) }

    /// The first, if there is one and it is wanted.
    mutating func popFirst(where isWanted: (Element) -> Bool = { _ in true }) -> Element? {
        guard head < slots.count, let first = slots[head], isWanted(first) else { return nil }
        let element = slots[head].take()
        head += 1
        if head > 64, head * 2 > slots.count {
            slots.removeFirst(head)
            head = 0
        }
        return element
    }

    mutating func removeAll(where isGone: (Element) -> Bool) {
        slots = slots[head...].filter { $0.map { !isGone($0) } ?? false }
        head = 0
    }
}
