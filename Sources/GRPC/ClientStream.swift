import NIOCore
import SwiftProtobuf
import Synchronization

private enum Taken { case message(ByteBuffer), end(GRPCStatus), nothing }

/// A streaming call of a client. What the server sends waits here for its one reader; a slow reader slows the server
/// (HTTP/2's flow control), so that no more than a stream's window and one message wait.
package final class ClientStream<Request: Message, Response: Message>: AsyncSequence, Sendable {
    package typealias Element = Response
    private struct State {
        var messages: [ByteBuffer] = []
        var next = 0
        var end: GRPCStatus?
        var reader: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())
    private let outbox: Outbox<ClientCall.Item>
    /// It is open as long as this is, also when nobody else uses it any more.
    package let client: GRPCClient
    private let call = Mutex<ClientCall?>(nil)

    init(outbox: Outbox<ClientCall.Item>, client: GRPCClient) {
        self.outbox = outbox
        self.client = client
    }

    func begin(_ call: ClientCall) { self.call.withLock { $0 = call } }

    private var theCall: ClientCall? { call.withLock { $0 } }

    /// Sends a message; waits while the connection is congested. When the call is over it is dropped, and reading tells why.
    package func send(_ message: Request) async throws(GRPCStatus) {
        let framed = try FramedMessage.encode(message)
        guard let call = theCall else { return }
        outbox.append(.message(call, framed), bytes: framed.readableBytes)
        if !outbox.isWritable { await withCheckedContinuation { waiting in outbox.whenWritable { waiting.resume() } } }
    }

    /// Whether the server ended it; messages may still wait to be read.
    package var isEnded: Bool { state.withLock { $0.end != nil } }

    /// Nothing more is sent.
    package func halfClose() { if let call = theCall { outbox.append(.halfClose(call), bytes: 0) } }

    /// Ends the call; reading then throws `.cancelled`.
    package func cancel() {
        guard let call = theCall else { return }
        call.cancel()
        outbox.append(.cancel(call), bytes: 0)
    }

    deinit { if let call = theCall { outbox.append(.cancel(call), bytes: 0) } }

    /// The same, which ends the call when there is no message for so long; nil is for ever.
    /// - Throws: `.deadlineExceeded`, too.
    package func next(within limit: Duration?) async throws(GRPCStatus) -> Response? {
        guard let limit else { return try await next() }
        async let _: Void = {
            try await Task.sleep(for: limit)
            ended(GRPCStatus(.deadlineExceeded, "there was nothing more for \(limit)"))
            cancel()
        }()
        return try await next()
    }

    /// The next message, nil at a good end.
    /// - Throws: `GRPCStatus` when it ended otherwise; `.cancelled` when the task is.
    package func next() async throws(GRPCStatus) -> Response? {
        while true {
            switch take() {
            case .message(let payload):
                if let call = theCall { outbox.append(.took(call, payload.readableBytes), bytes: 0) }
                return try payload.decoded(as: Response.self)
            case .end(let status):
                if status.code == .ok { return nil }
                throw status
            case .nothing:
                if Task.isCancelled { throw GRPCStatus(.cancelled, "the call was cancelled") }
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let now = state.withLock { state in
                            precondition(state.reader == nil, "a stream has one reader")
                            if state.next < state.messages.count || state.end != nil || Task.isCancelled { return true }
                            state.reader = continuation
                            return false
                        }
                        if now { continuation.resume() }
                    }
                } onCancel: {
                    cancel()
                    wake { _ in }
                }
            }
        }
    }

    private func take() -> Taken {
        state.withLock { state in
            guard state.next < state.messages.count else { return state.end.map { .end($0) } ?? .nothing }
            defer {
                state.next += 1
                if state.next == state.messages.count {
                    state.messages.removeAll(keepingCapacity: state.next < 256)
                    state.next = 0
                }
            }
            return .message(state.messages[state.next])
        }
    }

    func received(_ message: ByteBuffer) { wake { $0.messages.append(message) } }
    func ended(_ status: GRPCStatus) { wake { $0.end = $0.end ?? status } }

    private func wake(_ change: (inout State) -> Void) {
        let reader = state.withLock { state in
            change(&state)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let stream: ClientStream
        package func next() async throws -> Response? { try await stream.next() }
    }
    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }
}
