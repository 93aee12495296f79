import Foundation

/// SIGTERM and SIGINT before a daemon's services run.
enum EarlyEnd {
    /// Until the services run, which take these signals over, there is nothing to be given back: it ends as one that was stopped, with 0. And whoever
    /// is process 1 of a container must say so, or is not ended at all (signal(7), `pid_namespaces(7)`).
    static func isFine() {
        for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(0) } }
    }
}
