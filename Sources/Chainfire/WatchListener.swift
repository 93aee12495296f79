/// Hears that watchers may have something after they had all there was.
package protocol WatchListener: AnyObject, Sendable {
    /// Called on any thread, which must not be held up.
    /// - Parameter tags: what the watchers were opened with; those that woke together.
    func ready(_ tags: [UInt64])
}

/// Calls a function for a single watcher.
package final class WatchSignal: WatchListener {
    private let body: @Sendable () -> Void

    package init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    package func ready(_ tags: [UInt64]) { body() }
}

/// Who listens for a watcher.
struct Listening: Sendable {
    var listener: any WatchListener
    var tag: UInt64
}

/// Watchers that woke together, gathered so that each listener is told once.
struct Wakes: Sendable {
    fileprivate(set) var told: [(listener: any WatchListener, tags: [UInt64])] = []

    func ring() { for (listener, tags) in told { listener.ready(tags) } }
}

/// Who listens for each watcher, at the watcher's place in the hub. A stream of many watchers is one listener: it is kept once, so
/// that waking them is a matter of numbers.
struct Listeners: Sendable {
    private struct Slot {
        var watcher: UInt64
        var tag: UInt64
        /// Its place among the listeners; negative: nobody is here.
        var listener = -1
    }

    private struct Known {
        var listener: any WatchListener
        var watchers = 0
    }

    private var slots: ContiguousArray<Slot> = []
    private var known = Places<Known>()
    private var places: [ObjectIdentifier: Int] = [:]

    private func slot(_ watcher: UInt64) -> Slot? {
        let place = WatchHub.place(of: watcher)
        guard place < slots.count, slots[place].watcher == watcher, slots[place].listener >= 0 else { return nil }
        return slots[place]
    }

    subscript(watcher: UInt64) -> Listening? {
        guard let slot = slot(watcher), let known = known[slot.listener] else { return nil }
        return Listening(listener: known.listener, tag: slot.tag)
    }

    mutating func set(_ listening: Listening, for watcher: UInt64) {
        let place = WatchHub.place(of: watcher)
        while slots.count <= place { slots.append(Slot(watcher: 0, tag: 0)) }
        let id = ObjectIdentifier(listening.listener)
        let listener = places[id] ?? known.add(Known(listener: listening.listener))
        places[id] = listener
        known[listener]?.watchers += 1
        slots[place] = Slot(watcher: watcher, tag: listening.tag, listener: listener)
    }

    mutating func remove(_ watcher: UInt64) -> Listening? {
        guard let found = self[watcher], let listener = slot(watcher)?.listener else { return nil }
        slots[WatchHub.place(of: watcher)].listener = -1
        known[listener]?.watchers -= 1
        if known[listener]?.watchers == 0 {
            known.remove(listener)
            places[ObjectIdentifier(found.listener)] = nil
        }
        return found
    }

    func wakes(of watchers: [UInt64]) -> Wakes {
        var tags: [(listener: Int, tags: [UInt64])] = []
        var order: [Int: Int] = [:]
        for watcher in watchers {
            guard let slot = slot(watcher) else { continue }
            if tags.last?.listener != slot.listener {
                // Those of one stream mostly come one after the other; where they do not, its place is looked for.
                if let place = order[slot.listener] {
                    tags[place].tags.append(slot.tag)
                    continue
                }
                order[slot.listener] = tags.count
                tags.append((slot.listener, []))
            }
            tags[tags.count - 1].tags.append(slot.tag)
        }
        return Wakes(told: tags.compactMap { one in known[one.listener].map { ($0.listener, one.tags) } })
    }
}
