import Foundation
import Glibc

/// One thread that waits for all connections of a measurement at once.
final class WireLoop {
    private var connections: [WireConnection] = []
    private var waiting: [pollfd] = []

    func add(_ connection: WireConnection) {
        connections.append(connection)
        waiting.append(pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0))
    }

    /// Reads what comes and writes what that led to, each connection's in one piece, until `isDone`.
    /// - Parameter due: called before every wait; gives how long to wait at most.
    func run(until isDone: () -> Bool, due: () throws -> Duration? = { nil }) throws {
        while !isDone() {
            // Rounded up: late by less than a millisecond costs nothing but that.
            let milliseconds = ((try due()?.nanoseconds ?? 1_000_000_000) + 999_999) / 1_000_000
            guard poll(&waiting, nfds_t(waiting.count), Int32(milliseconds)) > 0 else { continue }
            for at in waiting.indices where waiting[at].revents != 0 {
                try connections[at].receive()
                try connections[at].flush()
            }
        }
    }
}

/// Runs what blocks on a thread of its own.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}
