import Foundation
import Glibc

/// Work that may take long and that nobody waits for.
package enum BackgroundThread {
    /// Runs `body` on a thread of its own.
    /// - Parameters:
    ///   - name: of the thread, for debuggers.
    ///   - yields: whether it lets threads of usual priority go first, where a process may say so. Not for what holds a lock
    ///     that they wait for.
    package static func run(_ name: String, yields: Bool, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            // On Linux this is the thread alone (setpriority(2), "C library/kernel differences").
            if yields { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5) }
            body()
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}
