/// Simulated time in microseconds since the beginning of a run.
package typealias Micros = Int64

extension Micros {
    static func milliseconds(_ count: Int) -> Micros { Int64(count) * 1_000 }
    static func seconds(_ count: Int) -> Micros { Int64(count) * 1_000_000 }
}

/// What will happen, in the order of time; what happens at one time, in the order it was planned. A binary heap.
struct EventQueue<Element> {
    private struct Item {
        var time: Micros
        var number: UInt64
        var element: Element

        func precedes(_ other: Item) -> Bool { time != other.time ? time < other.time : number < other.number }
    }

    private var heap: [Item] = []
    private var number: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    var nextTime: Micros? { heap.first?.time }

    mutating func add(_ element: Element, at time: Micros) {
        number += 1
        let item = Item(time: time, number: number, element: element)
        heap.append(item)
        var place = heap.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard item.precedes(heap[parent]) else { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = item
    }

    mutating func take() -> (time: Micros, element: Element)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last) }
        return (first.time, first.element)
    }

    /// Puts `item` where the top was, and moves it down to its place.
    private mutating func sink(_ item: Item) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(item) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = item
    }
}
