import Foundation
import Synchronization

/// Looks at files whose file system may never answer, as that of a network server that has gone (nfs(5), "hard"): a thread that asked it cannot be ended
/// by anybody, and the few that all tasks share would soon all be such.
package enum FileLook {
    /// Whose answer is waited for, with or without somebody who still wants it.
    private static let underWay = Mutex<Set<String>>([])

    /// Runs `body` on a thread of its own. One at a time looks at a path; the next waits for it.
    /// - Throws: what `body` throws; `Silence` when it, or the one before it, does not come back in time; `CancellationError`.
    package static func at<T: Sendable>(
        _ path: String, within limit: Duration = .seconds(10), _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        let end = ContinuousClock.now + limit
        while !underWay.withLock({ $0.insert(path).inserted }) {
            guard ContinuousClock.now < end else { throw Silence(path: path) }
            try await Task.sleep(for: .milliseconds(5))
        }
        let answer = Answer<T>()
        Thread.detachNewThread {
            let found = Result { try body() }
            _ = underWay.withLock { $0.remove(path) }
            answer.give(found)
        }
        let late = Task {
            try await Task.sleep(for: limit)
            answer.give(.failure(Silence(path: path)))
        }
        defer { late.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { answer.wait($0) }
        } onCancel: {
            answer.give(.failure(CancellationError()))
        }
    }

    package struct Silence: Error, Hashable, CustomStringConvertible {
        package var path: String
        package init(path: String) { self.path = path }

        package var description: String { "\(path): its file system does not answer; is the server that it is on reachable?" }
    }

    /// The first that is given is the answer.
    private final class Answer<T: Sendable>: Sendable {
        private enum State {
            case open
            case waited(CheckedContinuation<T, any Error>)
            case given(Result<T, any Error>)
            case taken
        }
        private let state = Mutex(State.open)

        func wait(_ continuation: CheckedContinuation<T, any Error>) {
            let now: Result<T, any Error>? = state.withLock { state in
                if case .given(let result) = state {
                    state = .taken
                    return result
                }
                state = .waited(continuation)
                return nil
            }
            if let now { continuation.resume(with: now) }
        }

        /// Resumes without the lock: cancellation takes it, too.
        func give(_ result: Result<T, any Error>) {
            let waiting: CheckedContinuation<T, any Error>? = state.withLock { state in
                switch state {
                case .open: state = .given(result)
                case .waited(let continuation):
                    state = .taken
                    return continuation
                case .given, .taken: break
                }
                return nil
            }
            waiting?.resume(with: result)
        }
    }
}
