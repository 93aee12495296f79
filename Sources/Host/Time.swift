import Foundation

/// A point on the monotonic clock: never goes back, does not survive a restart of the machine.
package struct Instant: Hashable, Comparable, Sendable {
    package var sinceStart: Duration

    package init(sinceStart: Duration) { self.sinceStart = sinceStart }

    package static func < (a: Instant, b: Instant) -> Bool { a.sinceStart < b.sinceStart }
    package static func + (a: Instant, b: Duration) -> Instant { Instant(sinceStart: a.sinceStart + b) }
    package static func - (a: Instant, b: Instant) -> Duration { a.sinceStart - b.sinceStart }
}

/// The clocks of this machine. Deciders never see it; shells hand them instants.
package protocol Time: Sendable {
    func now() -> Instant
    /// The calendar's time, for people. Never used to measure how long something took.
    func date() -> Date
    /// - Throws: `CancellationError` when the task is cancelled first.
    func sleep(until deadline: Instant) async throws
}

extension Duration {
    package var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

extension Time {
    package func sleep(for duration: Duration) async throws { try await sleep(until: now() + duration) }
}

package struct SystemTime: Time {
    private let start = ContinuousClock.now

    package init() {}

    package func now() -> Instant { Instant(sinceStart: ContinuousClock.now - start) }
    package func date() -> Date { Date() }
    package func sleep(until deadline: Instant) async throws {
        try await Task.sleep(until: start + deadline.sinceStart, clock: .continuous)
    }
}
