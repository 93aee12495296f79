import Foundation
import Glibc

/// Work that may take long and that nobody waits for.
package enum BackgroundThread {
    /// In a thread's dictionary.
    private final class Patience {
        var rests = 0
        let isIdle: () -> Bool

        init(_ isIdle: @escaping () -> Bool) { self.isIdle = isIdle }
    }

    private static let mark = "plasma.patience"
    private static var patience: Patience? { Thread.current.threadDictionary[mark] as? Patience }

    /// After so many bytes who writes much is to make them durable, and to rest: who syncs one small record meanwhile waits for no
    /// more than these.
    package static let pieceBytes = 512 << 10

    package static let restTime = Duration.milliseconds(1)

    /// Whether nobody waits for the calling thread: it is one of these, or within `patiently`.
    package static var isPatient: Bool { patience?.isIdle() ?? false }

    /// How often the calling thread rested; nil where it is none of these.
    package static var rests: Int? { patience?.rests }

    /// For what `body` does on this thread nobody waits, as long as `isIdle` says so.
    package static func patiently<T>(while isIdle: @escaping () -> Bool = { true }, _ body: () throws -> T) rethrows -> T {
        let values = Thread.current.threadDictionary
        let before = values[mark]
        values[mark] = Patience(isIdle)
        defer { values[mark] = before }
        return try body()
    }

    /// On one of these threads: a moment in which others have the disk.
    package static func rest() {
        guard let patience else { return }
        patience.rests += 1
        usleep(UInt32(restTime.nanoseconds / 1000))
    }

    /// Runs `body` on a thread of its own.
    /// - Parameters:
    ///   - name: of the thread, for debuggers.
    ///   - yields: whether it lets threads of usual priority go first, where a process may say so. Not for what holds a lock
    ///     that they wait for.
    package static func run(_ name: String, yields: Bool, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            // On Linux this is the thread alone (setpriority(2), "C library/kernel differences").
            if yields { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5) }
            patiently { body() }
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}
