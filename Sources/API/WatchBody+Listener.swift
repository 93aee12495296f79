import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// The client of an answer that has no end of its own.
///
/// A write waits as long as the client does not read, and only the cancellation of its task ends that. The writer is
/// not Sendable, so that only Hummingbird can put it into a task that can be cancelled: it does so when the inbound
/// side closes. Here that side is a sequence that also ends when a write stands still or the server stops.
final class Listener: Sendable {
    /// Why a writing came to its end.
    enum Ending: Sendable {
        /// All is written.
        case told
        case clientGone, serverStops
        /// One write took longer than it may.
        case stalled
    }

    private struct State {
        var isGone = false
        var round: AsyncStream<Void>.Continuation?
    }

    private let request: Request
    private let state = Mutex(State())

    private init(_ request: Request) { self.request = request }

    /// Runs `talk`; meanwhile it is heard when the client of the request goes.
    static func listen(to request: Request, _ talk: (Listener) async throws -> Void) async throws {
        let listener = Listener(request)
        try await request.body.consumeWithInboundCloseHandler { _ in
            try await talk(listener)
        } onInboundClosed: {
            listener.state.withLock { state in
                state.isGone = true
                return state.round
            }?.finish()
        }
    }

    /// Writes until all is told or something ends it; then the task of `write` is cancelled. What was handed to the
    /// writer is written whole or not at all.
    /// - Parameters:
    ///   - limit: so long may one write that is timed by the clock take; nil is for ever.
    ///   - write: gets the clock that it has to time its writes with.
    func tell(
        within limit: Duration?, hearsShutdown: Bool = true, _ write: (WriteClock) async throws -> Void
    ) async throws -> Ending {
        let clock = WriteClock()
        let (gone, round) = AsyncStream.makeStream(of: Void.self)
        let isGone = state.withLock { state in
            state.round = round
            return state.isGone
        }
        if isGone { return .clientGone }
        let end = EndOfWriting(clock: clock, limit: limit, hearsShutdown: hearsShutdown, gone: gone)
        var request = request
        request.body = RequestBody(asyncSequence: end)
        do {
            try await request.body.consumeWithCancellationOnInboundClose { _ in try await write(clock) }
            return .told
        } catch {
            guard let ending = end.seen.value else { throw error }
            return ending
        }
    }

    /// Ends the answer: with these last words, if the client takes them in time.
    /// - Throws: when it does not. The connection is then cut.
    func sayGoodbye(
        _ words: ByteBuffer?, within limit: Duration, hearsShutdown: Bool, by writer: inout any ResponseBodyWriter
    ) async throws {
        let ending = try await tell(within: limit, hearsShutdown: hearsShutdown) { clock in
            if let words { try await clock.time { try await writer.write(words) } }
            try await clock.time { try await writer.finish(nil) }
        }
        guard case .told = ending else { throw CancellationError() }
    }
}

/// Knows how long the write under way has been waiting for the client.
final class WriteClock: Sendable {
    private let began = Mutex<ContinuousClock.Instant?>(nil)

    func time(_ write: () async throws -> Void) async rethrows {
        began.withLock { $0 = .now }
        defer { began.withLock { $0 = nil } }
        try await write()
    }

    /// Returns when one write has taken so long.
    fileprivate func stalled(for limit: Duration) async throws {
        while true {
            let now = ContinuousClock.now
            let due = (began.withLock { $0 } ?? now) + limit
            if now >= due { return }
            try await Task.sleep(until: due, clock: .continuous)
        }
    }
}

/// A body without bytes, which fails when the writing has to end.
private struct EndOfWriting: AsyncSequence, Sendable {
    final class Seen: Sendable {
        private let ending = Mutex<Listener.Ending?>(nil)

        var value: Listener.Ending? { ending.withLock { $0 } }

        func set(_ value: Listener.Ending?) { ending.withLock { $0 = value } }
    }

    var clock: WriteClock
    var limit: Duration?
    var hearsShutdown: Bool
    /// Finishes when the client goes.
    var gone: AsyncStream<Void>
    let seen = Seen()

    func makeAsyncIterator() -> Iterator { Iterator(end: self) }

    struct Iterator: AsyncIteratorProtocol {
        var end: EndOfWriting

        /// Never returns: after nil Hummingbird would read the connection, which the listener does already.
        mutating func next() async throws -> ByteBuffer? {
            let end = end
            return try await withThrowingTaskGroup(of: Listener.Ending.self) { group in
                if let limit = end.limit {
                    group.addTask {
                        try await end.clock.stalled(for: limit)
                        return .stalled
                    }
                }
                if end.hearsShutdown {
                    group.addTask {
                        try await gracefulShutdown()
                        return .serverStops
                    }
                }
                group.addTask {
                    for await _ in end.gone {}
                    try Task.checkCancellation()
                    return .clientGone
                }
                defer { group.cancelAll() }
                end.seen.set(try await group.next())
                throw CancellationError()
            }
        }
    }
}
