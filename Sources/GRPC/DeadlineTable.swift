import NIOCore

/// The deadlines of one connection's calls with one timer: most calls end long before, and a timer each would cost
/// more than the call. Lives on one event loop.
struct DeadlineTable<Key: Hashable> {
    private var deadlines: [Key: NIODeadline] = [:]
    /// When the timer that is set goes off.
    private var alarm: NIODeadline?

    /// Notes a deadline; true when the caller must set a timer for it.
    mutating func add(_ key: Key, _ deadline: NIODeadline) -> Bool {
        deadlines[key] = deadline
        if let alarm, alarm <= deadline { return false }
        alarm = deadline
        return true
    }

    mutating func remove(_ key: Key) {
        guard !deadlines.isEmpty else { return }
        deadlines[key] = nil
    }

    /// The timer went off: what has passed, earliest first, and when to set the next.
    mutating func expire(now: NIODeadline) -> (passed: [Key], next: NIODeadline?) {
        let passed = deadlines.filter { $0.value <= now }.sorted { $0.value < $1.value }.map(\.key)
        for key in passed { deadlines[key] = nil }
        if let alarm, alarm > now { return (passed, nil) }
        alarm = deadlines.values.min()
        return (passed, alarm)
    }
}
