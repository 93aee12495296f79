import NIOCore
import NIOHTTP1
import Synchronization

/// The answer to one HTTP/1.1 request: `head`, any number of `write`, `end`; from any thread.
package final class HTTPReply: Sendable {
    struct Item: Sendable {
        enum Part {
            case head(HTTPResponseStatus, HTTPHeaders), body(ByteBuffer), end
            /// The rest cannot be sent: the connection is closed, so that nobody takes it for whole.
            case abort
        }
        var reply: HTTPReply
        var parts: [Part]
    }
    private struct State {
        var isEnded = false
        var isClosed = false
        var onClose: [@Sendable () -> Void] = []
    }
    private let outbox: Outbox<Item>
    private let state = Mutex(State())

    init(outbox: Outbox<Item>) { self.outbox = outbox }

    /// Begins the answer. Without `content-length` the body goes out in chunks, each as soon as it is written.
    package func head(_ status: HTTPResponseStatus, _ headers: HTTPHeaders = [:]) { put([.head(status, headers)], bytes: 0) }

    /// - Parameter bytes: at most `bodyBytesMax`: with more, the answer ends here, unfinished.
    package func write(_ bytes: some Sequence<UInt8>) {
        guard bytes.underestimatedCount <= Self.bodyBytesMax else { return put([.abort], bytes: 0, isLast: true) }
        let buffer = ByteBuffer(bytes: bytes)
        put([.body(buffer)], bytes: buffer.readableBytes)
    }

    /// More is no message of gRPC either, nor fits a buffer twice.
    static var bodyBytesMax: Int { Int(Int32.max) }

    package func end() { put([.end], bytes: 0, isLast: true) }

    /// A whole answer at once.
    package func send(_ status: HTTPResponseStatus, contentType: String, body: some Sequence<UInt8>, headers: HTTPHeaders = [:]) {
        guard body.underestimatedCount <= Self.bodyBytesMax else {
            return refuse(.internalServerError, "the answer is larger than \(Self.bodyBytesMax) bytes; ask for less")
        }
        let buffer = ByteBuffer(bytes: body)
        if let refusal = outbox.refusal(of: buffer.readableBytes) { return refuse(.serviceUnavailable, refusal.message) }
        put(status, contentType, buffer, headers)
    }

    /// Small, and the last that the client is sent for now: nobody asks whether there is room for it.
    private func refuse(_ status: HTTPResponseStatus, _ text: String) {
        put(status, "text/plain; charset=utf-8", ByteBuffer(string: text + "\n"))
    }

    private func put(_ status: HTTPResponseStatus, _ contentType: String, _ buffer: ByteBuffer, _ headers: HTTPHeaders = [:]) {
        var headers = headers
        headers.replaceOrAdd(name: "content-type", value: contentType)
        headers.replaceOrAdd(name: "content-length", value: String(buffer.readableBytes))
        put([.head(status, headers), .body(buffer), .end], bytes: buffer.readableBytes, isLast: true)
    }

    package func notFound() { send(.notFound, contentType: "text/plain; charset=utf-8", body: Array("404 page not found\n".utf8)) }

    private func put(_ parts: [Item.Part], bytes: Int, isLast: Bool = false) {
        let isOpen = state.withLock { state in
            if state.isEnded || state.isClosed { return false }
            state.isEnded = isLast
            return true
        }
        if isOpen { outbox.append(Item(reply: self, parts: parts), bytes: bytes) }
    }

    /// Whether the reader keeps up.
    package var isWritable: Bool { outbox.isWritable }

    /// Calls `body` once when it may be writable again, or the connection is closed; must not block.
    package func whenWritable(_ body: @escaping @Sendable () -> Void) { outbox.whenWritable(body) }

    /// Whether the client is gone or the answer at its end.
    package var isClosed: Bool { state.withLock { $0.isClosed || $0.isEnded } }

    /// Calls `body` once when the connection closes before the answer's end; on its event loop, must not block.
    package func onClose(_ body: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if !state.isClosed { state.onClose.append(body) }
            return state.isClosed
        }
        if now { body() }
    }

    func closed() {
        let ready: [@Sendable () -> Void] = state.withLock { state in
            state.isClosed = true
            defer { state.onClose = [] }
            return state.onClose
        }
        for body in ready { body() }
    }

    /// The answer was written; nobody waits for its end any more.
    func finished() { state.withLock { $0.onClose = [] } }
}
