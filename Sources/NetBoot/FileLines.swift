import Foundation
import Host
import NIOCore
import Synchronization

/// Reads files for event loops: all who ask for a path stand in one line, and each line has a thread of its own for as long as it lasts. So a file
/// system that never answers holds up one thread for each of its files, and neither a loop nor who asks for a file of another.
final class FileLines: Sendable {
    private struct Line {
        /// When the one whose turn it is began.
        var since = ContinuousClock.now
        var waiting: [@Sendable () -> Void] = []
    }

    private let lines = Mutex<[String: Line]>([:])
    private let patience: Duration

    /// - Parameter patience: nobody joins a line in which nothing has moved for so long.
    init(patience: Duration) { self.patience = patience }

    /// - Throws: what `body` throws; `FileLook.Silence`, at once, where its file system does not answer.
    func run<T: Sendable>(at path: String, on loop: any EventLoop, _ body: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> {
        let isSilent = lines.withLock { lines in lines[path].map { ContinuousClock.now - $0.since > patience } ?? false }
        guard !isSilent else { return loop.makeFailedFuture(FileLook.Silence(path: path)) }
        let answer = loop.makePromise(of: T.self)
        add(path) { answer.completeWith(Result { try body() }) }
        return answer.futureResult
    }

    /// For what has to be done, whenever that may be.
    func add(_ path: String, _ work: @escaping @Sendable () -> Void) {
        let isFirst = lines.withLock { lines in
            let isFirst = lines[path] == nil
            lines[path, default: Line()].waiting.append(work)
            return isFirst
        }
        if isFirst { Thread.detachNewThread { while let work = self.next(path) { work() } } }
    }

    private func next(_ path: String) -> (@Sendable () -> Void)? {
        lines.withLock { lines in
            guard var line = lines.removeValue(forKey: path), !line.waiting.isEmpty else { return nil }
            line.since = .now
            let work = line.waiting.removeFirst()
            lines[path] = line
            return work
        }
    }
}
