import NIOCore

/// The deadlines of one connection's calls with hardly more than one timer: most calls end long before, and a timer each would cost more
/// than the call. Lives on one event loop.
///
/// A timer that was set cannot be taken back, and one call after the other may have an earlier deadline. So a timer goes off after a power of
/// two: as far as the nearest deadline allows, and a minute at most. Of those under way at once there are no more than there are such powers.
struct DeadlineTable<Key: Hashable> {
    private var deadlines: [Key: NIODeadline] = [:]
    /// When the timers under way go off, the next one first.
    private var alarms: [NIODeadline] = []

    private static var exactly: Int64 { 1 << 20 }
    private static var longest: Int64 { 1 << 36 }

    /// Notes a deadline.
    /// - Returns: when the caller must set a timer for; nil: one is set.
    mutating func add(_ key: Key, _ deadline: NIODeadline, now: NIODeadline) -> NIODeadline? {
        deadlines[key] = deadline
        return timer(for: deadline, now)
    }

    mutating func remove(_ key: Key) {
        guard !deadlines.isEmpty else { return }
        deadlines[key] = nil
    }

    /// A timer went off: what has passed, earliest first, and when to set the next.
    mutating func expire(now: NIODeadline) -> (passed: [Key], next: NIODeadline?) {
        let before = alarms.count
        alarms.removeAll { $0 <= now }
        guard alarms.count < before else { return ([], nil) }
        let passed = deadlines.filter { $0.value <= now }.sorted { $0.value < $1.value }.map(\.key)
        for key in passed { deadlines[key] = nil }
        return (passed, deadlines.values.min().flatMap { timer(for: $0, now) })
    }

    private mutating func timer(for deadline: NIODeadline, _ now: NIODeadline) -> NIODeadline? {
        if let next = alarms.first, next <= deadline { return nil }
        let left = max(0, (deadline - now).nanoseconds)
        let step = left <= Self.exactly ? left : min(Self.longest, 1 << Int64(63 - left.leadingZeroBitCount))
        let alarm = now + .nanoseconds(step)
        alarms.insert(alarm, at: 0)
        return alarm
    }
}
