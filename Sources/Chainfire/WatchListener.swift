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
    private var told: [(listener: any WatchListener, tags: [UInt64])] = []
    private var places: [ObjectIdentifier: Int] = [:]
    private var last: (listener: ObjectIdentifier, place: Int)?

    mutating func add(_ one: Listening) {
        let listener = ObjectIdentifier(one.listener)
        if let last, last.listener == listener { return told[last.place].tags.append(one.tag) }
        let place = places[listener] ?? told.count
        if place == told.count {
            told.append((one.listener, []))
            places[listener] = place
        }
        told[place].tags.append(one.tag)
        last = (listener, place)
    }

    func ring() { for (listener, tags) in told { listener.ready(tags) } }
}

/// Who listens for each watcher, at the watcher's place in the hub.
struct Listeners: Sendable {
    private var places: ContiguousArray<(watcher: UInt64, listening: Listening)?> = []

    subscript(watcher: UInt64) -> Listening? {
        let place = WatchHub.place(of: watcher)
        guard place < places.count, let found = places[place], found.watcher == watcher else { return nil }
        return found.listening
    }

    mutating func set(_ listening: Listening, for watcher: UInt64) {
        let place = WatchHub.place(of: watcher)
        while places.count <= place { places.append(nil) }
        places[place] = (watcher, listening)
    }

    mutating func remove(_ watcher: UInt64) -> Listening? {
        guard let found = self[watcher] else { return nil }
        places[WatchHub.place(of: watcher)] = nil
        return found
    }

    func wakes(of watchers: [UInt64]) -> Wakes {
        var wakes = Wakes()
        for watcher in watchers { if let one = self[watcher] { wakes.add(one) } }
        return wakes
    }
}
