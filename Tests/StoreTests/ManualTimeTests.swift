import Foundation
import Host
import Simulation
import Testing

@Suite(.timeLimit(.minutes(1))) struct ManualTimeTests {
    @Test func `time stands still until it is moved`() {
        let time = ManualTime()
        let start = time.now()
        #expect(time.now() == start)
        let date = time.date()
        time.advance(by: .milliseconds(1500))
        #expect(time.now() - start == .milliseconds(1500))
        #expect(time.date().timeIntervalSince(date) == 1.5)
    }

    @Test func `sleepers wake when their time has come, and not before`() async throws {
        let time = ManualTime()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for seconds in [3, 1, 2] {
                group.addTask {
                    try await time.sleep(for: .seconds(seconds))
                    return seconds
                }
            }
            await time.sleepers(atLeast: 3)
            for seconds in 1...3 {
                time.advance(by: .milliseconds(999))
                #expect(time.sleeping == 4 - seconds)
                time.advance(by: .milliseconds(1))
                let woken = try await group.next()
                #expect(woken == seconds)
            }
        }
    }

    @Test func `a deadline that has passed does not sleep`() async throws {
        let time = ManualTime()
        time.advance(by: .seconds(5))
        try await time.sleep(until: Instant(sinceStart: .seconds(5)))
        #expect(!time.advanceToNextSleeper())
    }

    @Test func `a cancelled sleeper throws and is gone`() async {
        let time = ManualTime()
        let task = Task { try await time.sleep(for: .seconds(1)) }
        await time.sleepers(atLeast: 1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(time.sleeping == 0)
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await time.sleep(for: .seconds(1))
        }
        await #expect(throws: CancellationError.self) { try await early.value }
    }
}
