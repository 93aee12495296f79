/// Watchers that may have something, each once, in the order they said so.
struct ReadyQueue {
    private var queue: [WatchNumber] = []
    private var first = 0
    private var waiting: Set<WatchNumber> = []

    mutating func append(_ number: WatchNumber) {
        if waiting.insert(number).inserted { queue.append(number) }
    }

    mutating func popFirst() -> WatchNumber? {
        guard first < queue.count else {
            queue.removeAll(keepingCapacity: queue.count < 4096)
            first = 0
            return nil
        }
        if first > 4096, first > queue.count / 2 {
            queue.removeFirst(first)
            first = 0
        }
        defer { first += 1 }
        waiting.remove(queue[first])
        return queue[first]
    }
}
