import GRPC
import Host
import SwiftProtobuf
import Synchronization

/// A call of one request that may take long: it is given up when its client goes away.
final class WaitingCall<Request: Message & Sendable>: Session, Sendable {
    private struct State {
        var hasBegun = false
        var isOver = false
        var errand: Errands.Handle?
    }

    private let errands: Errands
    private let sink: any Sink
    private let body: @Sendable (Request) async throws -> Void
    private let state = Mutex(State())

    /// - Parameter body: sends what is to be sent; its end is the call's.
    init(_ errands: Errands, _ sink: any Sink, _ body: @escaping @Sendable (Request) async throws -> Void) {
        self.errands = errands
        self.sink = sink
        self.body = body
    }

    func receive(_ request: Request) {
        let isFirst = state.withLock { state in
            defer { state.hasBegun = true }
            return !state.hasBegun
        }
        guard isFirst else { return }
        let errand = errands.run { [sink, body] in
            do {
                try await body(request)
                sink.finish(.ok)
            } catch {
                sink.finish(GRPCStatus(error))
            }
        }
        guard let errand else { return sink.finish(.stopped) }
        let isOver = state.withLock { state in
            state.errand = errand
            return state.isOver
        }
        if isOver { errand.cancel() }
    }

    func halfClose() {
        if !state.withLock({ $0.hasBegun }) { sink.finish(GRPCStatus(.internalError, "the call has no request")) }
    }

    func cancel() {
        let errand = state.withLock { state in
            state.isOver = true
            return state.errand
        }
        errand?.cancel()
    }
}

extension Sink {
    /// Returns when the reader has taken enough that more may be sent.
    /// - Throws: `CancellationError` when the task is cancelled first.
    func waitUntilWritable() async throws {
        while !isWritable {
            let (writable, ready) = AsyncStream.makeStream(of: Never.self)
            whenWritable { ready.finish() }
            for await _ in writable {}
            try Task.checkCancellation()
        }
    }

    /// The same, of a reader with whom patience ends.
    /// - Throws: `.unavailable` when it has taken nothing for so long.
    func waitUntilWritable(within patience: Duration, _ time: any Time) async throws {
        if isWritable { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in try await waitUntilWritable() }
            group.addTask {
                try await time.sleep(for: patience)
                throw GRPCStatus(.unavailable, "the reader took nothing for \(patience)")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
