import NIOCore
import SwiftProtobuf
import Synchronization

/// One call as its handler sees it. Every method may be called from any thread; what is sent leaves in the order it
/// was sent, in one flush with what other calls of the connection send at the same time.
package final class ServerCall: Sendable {
    /// What an answer does to the connection.
    struct Item: Sendable {
        var call: ServerCall
        var message: ByteBuffer?
        var end: GRPCStatus?
        /// The handler is told that its call is over.
        var isAborted = false
    }
    private struct State {
        var isFinished = false
        var isClosed = false
        var waitingBytes = 0
        var onWritable: [@Sendable () -> Void] = []
        var onClose: [@Sendable () -> Void] = []
    }

    package let peer: Peer
    let stream: UInt32
    let isUnary: Bool
    private let head: RequestHead
    private let outbox: Outbox<Item>
    private let state = Mutex(State())
    /// A stream's reader is behind when so many bytes wait.
    static let highMark = 256 * 1024
    static let lowMark = 64 * 1024

    init(_ head: RequestHead, peer: Peer, stream: UInt32, outbox: Outbox<Item>) {
        self.head = head
        self.peer = peer
        self.stream = stream
        isUnary = if case .unary = head.served?.route { true } else { false }
        self.outbox = outbox
    }

    /// Such as `/etcdserverpb.KV/Put`.
    package var method: String { head.path }
    var meters: MethodMeters? { head.served?.meters }

    /// The first value the client sent under a name in small letters, such as `token`, that `Router.metadata` has.
    package func metadata(_ name: String) -> String? { head.value(name) }

    /// Sends a message; nothing happens when the call is over. The answer to a message that cannot be encoded is an end
    /// with `.internalError`.
    package func send(_ message: some Message) { put(message, nil) }

    /// Ends the call; only the first end counts.
    package func finish(_ status: GRPCStatus = .ok) { finish(status, isAborted: false) }

    private func finish(_ status: GRPCStatus, isAborted: Bool) {
        let isFirst = state.withLock { state in
            if state.isFinished { return false }
            state.isFinished = true
            return true
        }
        if isFirst { outbox.append(Item(call: self, message: nil, end: status, isAborted: isAborted), bytes: 0) }
    }

    /// Ends the call in the handler's stead, which hears of it as of a client that went away.
    package func abort(_ status: GRPCStatus) { finish(status, isAborted: true) }

    /// Sends the one message and ends with `.ok`.
    package func reply(_ message: some Message) { put(message, .ok) }

    /// Sends messages that are encoded and framed already (`ByteBuffer.writeFramed`), in one piece.
    package func send(framed: ByteBuffer) { put(framed, nil) }

    /// On the connection's event loop: what was sent leaves now, if it is so much that a write of its own costs little beside it. Without
    /// this it leaves after whatever else the loop has to do. The call may be over afterwards.
    package func flush() { outbox.drainNow(Self.flushBytes) }

    private static let flushBytes = 16 << 10

    private func put(_ message: some Message, _ end: GRPCStatus?) {
        do throws(GRPCStatus) { put(try FramedMessage.encode(message), end) } catch { finish(error) }
    }

    private func put(_ framed: ByteBuffer, _ end: GRPCStatus?) {
        let bytes = framed.readableBytes
        // Calls that were taken in time may all be answered at once.
        if isUnary, let refusal = outbox.refusal(of: bytes) { return finish(refusal) }
        let isFirst = state.withLock { state in
            if state.isFinished { return false }
            if end != nil { state.isFinished = true }
            state.waitingBytes += bytes
            return true
        }
        guard isFirst else { return }
        if !outbox.append(Item(call: self, message: framed, end: end), bytes: bytes) { released(bytes, ofConnection: false) }
    }

    /// Whether the reader keeps up: less than 256 KiB of this call wait, and the connection is not congested. A call of
    /// which nothing waits is not held up by others of its connection that are behind.
    package var isWritable: Bool { state.withLock { isWritable($0) } }

    private func isWritable(_ state: borrowing State) -> Bool {
        state.waitingBytes == 0 || (state.waitingBytes < Self.highMark && outbox.isWritable)
    }

    /// Calls `body` once when the call may be writable again, or is over; at once when it is so now. Look at `isWritable`
    /// again then. It is called on the connection's event loop or on this thread, and must not block.
    package func whenWritable(_ body: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if state.isClosed || isWritable(state) { return true }
            // What of this call waits is released some time, and tells of it.
            state.onWritable.append(body)
            return false
        }
        if now { body() }
    }

    /// Whether nobody waits for an answer any more: it was ended, the client went away, or its deadline passed.
    package var isClosed: Bool { state.withLock { $0.isClosed || $0.isFinished } }

    /// Calls `body` once when the client goes away or the deadline passes before the call ended; at once when that
    /// has happened. On the connection's event loop; must not block.
    package func whenCancelled(_ body: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if !state.isClosed { state.onClose.append(body) }
            return state.isClosed
        }
        if now { body() }
    }

    // MARK: from the connection

    /// Written to the socket, or dropped with the stream.
    func released(_ bytes: Int, ofConnection: Bool = true) {
        let ready: [@Sendable () -> Void] = state.withLock { state in
            state.waitingBytes -= bytes
            guard !state.onWritable.isEmpty, state.waitingBytes < Self.lowMark else { return [] }
            defer { state.onWritable = [] }
            return state.onWritable
        }
        if ofConnection { outbox.release(bytes) }
        for body in ready { body() }
    }

    /// The stream is gone: what is sent from now on is dropped.
    func closed() {
        let ready: [@Sendable () -> Void] = state.withLock { state in
            state.isClosed = true
            state.isFinished = true
            defer {
                state.onWritable = []
                state.onClose = []
            }
            return state.onWritable + state.onClose
        }
        for body in ready { body() }
    }
}

/// Who is at the other end of a connection.
package struct Peer: Sendable, Hashable {
    /// Such as `10.0.0.7:51234`.
    package var address: String
    /// The subject's common name of the client certificate that was verified.
    package var commonName: String?
    /// Showed a client certificate, and it was verified.
    package var isCertified = false
}
