import Foundation
import Glibc

/// Work that may take long and that nobody waits for.
package enum BackgroundThread {
    /// Runs `body` on a thread of its own, behind all threads of usual priority.
    /// - Parameter name: of the thread, for debuggers.
    package static func run(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            // On Linux this is the thread alone (setpriority(2), "C library/kernel differences").
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
            body()
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}
