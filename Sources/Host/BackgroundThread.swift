import Foundation
import Glibc

/// Work that may take long and that nobody waits for.
package enum BackgroundThread {
    /// In a thread's dictionary: how often it rested.
    private static let mark = "plasma.rests"

    /// After so many bytes who writes much is to make them durable, and to rest: who syncs one small record meanwhile waits for no
    /// more than these.
    package static let pieceBytes = 512 << 10

    /// How often the calling thread rested, where nobody waits for it: it is one of these, or within `patiently`. Nil elsewhere.
    package static var rests: Int? { Thread.current.threadDictionary[mark] as? Int }

    /// For what `body` does on this thread nobody waits.
    package static func patiently<T>(_ body: () throws -> T) rethrows -> T {
        let values = Thread.current.threadDictionary
        let before = values[mark]
        values[mark] = 0
        defer { values[mark] = before }
        return try body()
    }

    /// Where nobody waits for this thread: a moment in which others have the disk.
    package static func rest() {
        guard let rests else { return }
        Thread.current.threadDictionary[mark] = rests + 1
        usleep(1_000)
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
            patiently(body)
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}
