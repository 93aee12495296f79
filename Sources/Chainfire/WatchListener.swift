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
        /// Its place among the listeners; nil: nobody is here.
        var listener: Int?
    }

    private struct Registered {
        var listener: any WatchListener
        var watchers = 0
    }

    private var slots: ContiguousArray<Slot> = []
    private var registered = Places<Registered>()
    private var places: [ObjectIdentifier: Int] = [:]

    private func slot(_ watcher: UInt64) -> (listener: Int, tag: UInt64)? {
        let place = WatchHub.place(of: watcher)
        guard place < slots.count, slots[place].watcher == watcher, let listener = slots[place].listener else { return nil }
        return (listener, slots[place].tag)
    }

    subscript(watcher: UInt64) -> Listening? {
        guard let slot = slot(watcher), let found = registered[slot.listener] else { return nil }
        return Listening(listener: found.listener, tag: slot.tag)
    }

    mutating func set(_ listening: Listening, for watcher: UInt64) {
        let place = WatchHub.place(of: watcher)
        while slots.count <= place { slots.append(Slot(watcher: 0, tag: 0)) }
        let id = ObjectIdentifier(listening.listener)
        let listener = places[id] ?? registered.add(Registered(listener: listening.listener))
        places[id] = listener
        registered[listener]?.watchers += 1
        slots[place] = Slot(watcher: watcher, tag: listening.tag, listener: listener)
    }

    mutating func remove(_ watcher: UInt64) -> Listening? {
        guard let found = self[watcher], let listener = slot(watcher)?.listener else { return nil }
        slots[WatchHub.place(of: watcher)].listener = nil
        registered[listener]?.watchers -= 1
        if registered[listener]?.watchers == 0 {
            registered.remove(listener)
            places[ObjectIdentifier(found.listener)] = nil
        }
        return found
    }

    func wakes(of watchers: [UInt64]) -> Wakes {
        var gathered: [(listener: Int, tags: [UInt64])] = []
        var order: [Int: Int] = [:]
        for watcher in watchers {
            guard let slot = slot(watcher) else { continue }
            if gathered.last?.listener != slot.listener {
                // Those of one stream mostly come one after the other; where they do not, its place is looked for.
                if let place = order[slot.listener] {
                    gathered[place].tags.append(slot.tag)
                    continue
                }
                order[slot.listener] = gathered.count
                gathered.append((slot.listener, []))
            }
            gathered[gathered.count - 1].tags.append(slot.tag)
        }
        return Wakes(told: gathered.compactMap { place, tags in registered[place].map { ($0.listener, tags) } })
    }
}
