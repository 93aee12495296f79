import Foundation
import Host
import Synchronization

/// Time that moves only when the test moves it. It starts at zero, 2026-01-01 00:00:00 UTC.
///
/// A typical test starts the task under test, waits with `sleepers(atLeast:)` until that task has
/// gone to sleep, and then calls `advance(by:)`.
package final class ManualTime: Time {
    private struct Sleeper {
        var deadline: Instant
        var number: UInt64
        var continuation: CheckedContinuation<Void, any Error>
    }
    private struct Onlooker {
        var count: Int
        var continuation: CheckedContinuation<Void, Never>
    }
    private struct State {
        var now = Instant(sinceStart: .zero)
        var numbers: UInt64 = 0
        /// Sorted by deadline, then by who came first.
        var sleepers: [Sleeper] = []
        /// Numbers whose task was cancelled before it lay down.
        var cancelled: Set<UInt64> = []
        var onlookers: [Onlooker] = []

        mutating func onlookersToWake() -> [Onlooker] {
            let ready = onlookers.filter { $0.count <= sleepers.count }
            onlookers.removeAll { $0.count <= sleepers.count }
            return ready
        }
    }
    private static let epoch = Date(timeIntervalSince1970: 1_767_225_600)
    private let state = Mutex(State())

    package init() {}

    package func now() -> Instant { state.withLock { $0.now } }

    package func date() -> Date {
        let (seconds, attoseconds) = now().sinceStart.components
        return Self.epoch.addingTimeInterval(Double(seconds) + Double(attoseconds) * 1e-18)
    }

    package func sleep(until deadline: Instant) async throws {
        let number = state.withLock { state in
            state.numbers += 1
            return state.numbers
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                enum Outcome { case awake, cancelled, asleep([Onlooker]) }
                let outcome: Outcome = state.withLock { state in
                    if state.cancelled.remove(number) != nil { return .cancelled }
                    if deadline <= state.now { return .awake }
                    let sleeper = Sleeper(deadline: deadline, number: number, continuation: continuation)
                    let place = state.sleepers.firstIndex { $0.deadline > deadline } ?? state.sleepers.endIndex
                    state.sleepers.insert(sleeper, at: place)
                    return .asleep(state.onlookersToWake())
                }
                switch outcome {
                case .awake: continuation.resume()
                case .cancelled: continuation.resume(throwing: CancellationError())
                case .asleep(let onlookers): for onlooker in onlookers { onlooker.continuation.resume() }
                }
            }
        } onCancel: {
            let sleeper: Sleeper? = state.withLock { state in
                guard let place = state.sleepers.firstIndex(where: { $0.number == number }) else {
                    state.cancelled.insert(number)
                    return nil
                }
                return state.sleepers.remove(at: place)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
        state.withLock { _ = $0.cancelled.remove(number) }
    }

    /// Moves time on by `duration` and wakes, in the order of their deadlines, all who slept until
    /// then. `now()` stands at the end of the move when the first of them runs.
    package func advance(by duration: Duration) {
        precondition(duration >= .zero, "time does not go back (\(duration))")
        let awake: [Sleeper] = state.withLock { state in
            state.now = state.now + duration
            let count = state.sleepers.prefix { $0.deadline <= state.now }.count
            let awake = Array(state.sleepers.prefix(count))
            state.sleepers.removeFirst(count)
            return awake
        }
        for sleeper in awake { sleeper.continuation.resume() }
    }

    /// Moves time to the earliest deadline and wakes those who wait for it; false when nobody sleeps.
    @discardableResult
    package func advanceToNextSleeper() -> Bool {
        let step: Duration? = state.withLock { state in state.sleepers.first.map { $0.deadline - state.now } }
        guard let step else { return false }
        advance(by: step)
        return true
    }

    /// How many tasks sleep now.
    package var sleeping: Int { state.withLock { $0.sleepers.count } }

    /// Returns as soon as at least `count` tasks sleep.
    package func sleepers(atLeast count: Int) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.onlookers.append(Onlooker(count: count, continuation: continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }
}
