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
        // The first that comes is the answer.
        let (answers, answer) = AsyncThrowingStream.makeStream(of: T.self)
        Thread.detachNewThread {
            let found = Result { try body() }
            _ = underWay.withLock { $0.remove(path) }
            if case .success(let value) = found { answer.yield(value) }
            answer.finish(throwing: found.failure)
        }
        let late = Task {
            try await Task.sleep(for: limit)
            answer.finish(throwing: Silence(path: path))
        }
        defer { late.cancel() }
        for try await value in answers { return value }
        throw CancellationError()
    }

    package struct Silence: Error, Hashable, CustomStringConvertible {
        package var path: String
        package init(path: String) { self.path = path }

        package var description: String { "\(path): its file system does not answer; is the server that it is on reachable?" }
    }
}

extension Result {
    fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
