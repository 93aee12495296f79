import Foundation
import Manifest
import NIOCore
import Resource

extension Client {
    /// Follows the objects of a kind. Without `resourceVersion` it lists first: every object comes as `.added`,
    /// then a bookmark. A broken connection is made anew and the watch goes on where it was; when that history
    /// is gone it lists again and tells the differences to what it told before.
    /// - Parameter known: what the caller has, at most as old as `resourceVersion`: told again only when it was changed or went.
    /// - Throws: in the stream, when the server cannot be reached or cannot answer at first, or for longer than `patience`.
    package func watch(
        _ kind: AnyKind, name: String? = nil, selector: LabelSelector? = nil, since resourceVersion: String? = nil, known: [any AnyResource] = [],
        patience: Duration = .seconds(60)
    ) -> AsyncThrowingStream<WatchedChange, any Error> {
        let source = WatchSource(
            path: Paths.list(kind.plural), selector: selector, fieldSelector: name.map { "metadata.name=\($0)" },
            patience: patience)
        return stream { yield in
            try await follow(source, WatchMirror(since: resourceVersion, known: try known.map { try $0.json() })) { line in
                switch line {
                case .added(let object): yield(.added(try Self.decode(object, kind)))
                case .modified(let object): yield(.modified(try Self.decode(object, kind)))
                case .deleted(let object): yield(.deleted(try Self.decode(object, kind)))
                case .bookmark(let version): yield(.bookmark(resourceVersion: version))
                }
            }
        }
    }

    /// Events as they happen or are repeated; those already there come first unless `resourceVersion` is given.
    package func watchEvents(
        about reference: Reference? = nil, since resourceVersion: String? = nil, patience: Duration = .seconds(60)
    ) -> AsyncThrowingStream<EventRecord, any Error> {
        let source = WatchSource(
            path: Paths.events, selector: nil, fieldSelector: reference.map(Paths.fieldSelector), patience: patience)
        return stream { yield in
            try await follow(source, WatchMirror(since: resourceVersion)) { line in
                switch line {
                case .added(let object), .modified(let object):
                    yield(try Wire.decode(EventRecord.self, from: object.encoded()))
                case .deleted, .bookmark: break
                }
            }
        }
    }

    /// The log of an object: a machine's serial console. With `follow` it ends when the caller stops reading.
    /// - Parameter tailLines: begins so many lines before the end; nil begins at the start.
    package func log(
        _ reference: Reference, follow: Bool = false, tailLines: Int? = nil
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        var query: [(String, String)] = []
        if follow { query.append(("follow", "true")) }
        if let tailLines { query.append(("tailLines", String(tailLines))) }
        let path = Paths.withQuery(Paths.object(reference.kind.lowercased(), reference.name) + "/log", query)
        return stream { yield in
            let response = try await open("GET", path, deadline: .hours(24 * 365))
            do {
                for try await buffer in response.body { yield(Array(buffer.readableBytesView)) }
            } catch {
                throw translated(error)
            }
        }
    }

    /// A stream fed by a task of its own, which ends with the stream: a door that returns a stream has no task
    /// group of its caller's to put it into.
    private func stream<Element: Sendable>(
        _ produce: @escaping @Sendable (@Sendable (Element) -> Void) async throws -> Void
    ) -> AsyncThrowingStream<Element, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await produce { continuation.yield($0) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func follow(_ source: WatchSource, _ before: WatchMirror, _ tell: (WatchLine) throws -> Void) async throws {
        var mirror = before
        var retry = Backoff(patience: source.patience, mayRetry: before.version != nil)
        while true {
            try Task.checkCancellation()
            do {
                guard let version = mirror.version else {
                    var items: [JSON] = []
                    let version = try await pages(source.path, selector: source.selector, fieldSelector: source.fieldSelector) {
                        items.append($0)
                    }
                    for line in mirror.relisted(items, version: version) { try tell(line) }
                    retry.succeeded()
                    continue
                }
                try await openWatch(source, since: version) { bytes in
                    for line in try mirror.received(bytes) { try tell(line) }
                    retry.succeeded()
                }
                mirror.connectionEnded()
            } catch ClientError.gone {
                mirror.historyIsGone()
            } catch let error as ClientError where error.mayPass {
                mirror.connectionEnded()
                guard let pause = retry.failed(at: .now) else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }

    private func openWatch(_ source: WatchSource, since version: String, _ receive: ([UInt8]) throws -> Void) async throws {
        var query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version)]
        if let selector = source.selector { query.append(("labelSelector", selector.description)) }
        if let fieldSelector = source.fieldSelector { query.append(("fieldSelector", fieldSelector)) }
        // The server ends the watch after a while, so that a connection that died unseen is noticed by the deadline.
        query.append(("timeoutSeconds", "300"))
        let response = try await open("GET", Paths.withQuery(source.path, query), deadline: .seconds(330))
        do {
            for try await buffer in response.body { try receive(Array(buffer.readableBytesView)) }
        } catch let error as ClientError {
            throw error
        } catch let error as JSONProblem {
            throw ClientError.server(200, "a watch line that is not JSON: \(error)")
        } catch {
            throw translated(error)
        }
    }
}

struct WatchSource: Sendable {
    var path: String
    var selector: LabelSelector?
    var fieldSelector: String?
    var patience: Duration
}

/// When to try again: at once after a success, then twice as late each time, 5 seconds at most.
struct Backoff {
    var patience: Duration
    /// Nothing is retried before the first success: whoever starts wants to know that nobody is there.
    var mayRetry: Bool
    private var pause = Duration.milliseconds(100)
    private var failingSince: ContinuousClock.Instant?

    init(patience: Duration, mayRetry: Bool) {
        self.patience = patience
        self.mayRetry = mayRetry
    }

    mutating func succeeded() {
        mayRetry = true
        pause = .milliseconds(100)
        failingSince = nil
    }

    /// nil: give up.
    mutating func failed(at now: ContinuousClock.Instant) -> Duration? {
        let since = failingSince ?? now
        failingSince = since
        guard mayRetry, now - since < patience else { return nil }
        defer { pause = min(pause * 2, .seconds(5)) }
        return pause
    }
}
