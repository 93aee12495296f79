import NIOCore
import NIOHPACK
import NIOHTTP2
import Synchronization

/// One call of a client. Its sink hears of the messages and, once, of the end; always on the connection's event loop,
/// or on the caller's thread when the connection was closed before.
final class ClientCall: Sendable {
    enum Sink: Sendable {
        case unary(@Sendable (Result<ByteBuffer, GRPCStatus>) -> Void)
        case stream(message: @Sendable (ByteBuffer) -> Void, end: @Sendable (GRPCStatus) -> Void)
    }
    enum Item: Sendable {
        /// `message` with a unary call, which ends its half at once.
        case open(ClientCall, HPACKHeaders, message: ByteBuffer?)
        case message(ClientCall, ByteBuffer)
        case halfClose(ClientCall)
        case cancel(ClientCall)
        /// The reader of a stream took so many bytes.
        case took(ClientCall, Int)
    }

    let sink: Sink
    let deadline: NIODeadline?
    /// 0 before it is opened.
    private let number = Atomic<Int>(0)
    private let cancelled = Atomic(false)

    init(sink: Sink, deadline: NIODeadline?) {
        self.sink = sink
        self.deadline = deadline
    }

    var stream: HTTP2StreamID {
        get { HTTP2StreamID(number.load(ordering: .relaxed)) }
        set { number.store(Int(newValue), ordering: .relaxed) }
    }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
    func cancel() { cancelled.store(true, ordering: .relaxed) }

    var isUnary: Bool { if case .unary = sink { true } else { false } }

    /// It failed before anything of it was sent, or the server surely did not begin with it.
    func end(_ status: GRPCStatus) {
        switch sink {
        case .unary(let answer): answer(.failure(status))
        case .stream(_, let end): end(status)
        }
    }
}
