import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection: one request at a time, the next is read when the last was answered.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    private let http: HTTPHandler
    private let limits: Limits
    private let peer: Peer
    private let meters: PortMeters
    private var context: ChannelHandlerContext?
    private var outbox: Outbox<HTTPReply.Item>?
    private var items: [HTTPReply.Item] = []
    /// The request being read, and its body so far.
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// Of the body, as the port knows.
    private var countedBytes = 0 {
        didSet { if countedBytes != oldValue { meters.incomplete.add(countedBytes - oldValue) } }
    }
    /// Refused already: the rest of it is not read.
    private var isDeaf = false
    /// The answer being written.
    private var reply: HTTPReply?
    private var keepsAlive = false
    private var isHeadOnly = false
    private var hasHead = false
    private var isStopping = false
    private var timer: Scheduled<Void>?

    init(http: @escaping HTTPHandler, limits: Limits, peer: Peer, meters: PortMeters) {
        self.http = http
        self.limits = limits
        self.peer = peer
        self.meters = meters
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outbox = Outbox(
            loop: context.eventLoop, highMark: ServerCall.highMark, bytesMax: limits.unsentBytesMax, load: meters.unsent
        ) { [weak self] in self?.drain() }
        closes(after: limits.headersWithin)
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended() }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    private func ended() {
        timer?.cancel()
        context = nil
        countedBytes = 0
        outbox?.close()
        reply?.closed()
        reply = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, reply == nil else { return context.close(promise: nil) }
        meters.garbage.increment()
        refuse(error as? HTTPParserError == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let pressure as PortPressure: if outbox?.tookNothing(pressure, now: .now()) == true { giveUp() }
        case is PortStopping:
            isStopping = true
            if reply == nil { context.close(promise: nil) } else { keepsAlive = false }
        case ChannelEvent.inputClosed: context.close(promise: nil)
        default: break
        }
    }

    private func closes(after duration: Duration) {
        timer?.cancel()
        timer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDeaf else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard reply == nil else {
                // Sent ahead of our answer: not supported, and browsers and clients do not.
                keepsAlive = false
                isDeaf = true
                return
            }
            begin(head)
        case .body(let buffer):
            guard body.count + buffer.readableBytes <= limits.bodyBytesMax else { return refuse(.payloadTooLarge) }
            guard !meters.incomplete.isOver else {
                meters.overloaded.increment()
                return refuse(.serviceUnavailable)
            }
            buffer.withUnsafeReadableBytes { body.append(contentsOf: $0) }
            countedBytes = body.count
        case .end: answer()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        body = []
        closes(after: limits.headersWithin * 3)
        if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > limits.bodyBytesMax {
            return refuse(.payloadTooLarge)
        }
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            context?.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
    }

    private func answer() {
        guard let head, let outbox else { return }
        self.head = nil
        timer?.cancel()
        meters.requests.increment()
        let (path, query) = HTTPRequest.parts(ofURI: head.uri)
        let request = HTTPRequest(method: head.method, path: path, query: query, headers: head.headers, body: body, peer: peer)
        body = []
        countedBytes = 0
        // Looks at the member's health go on.
        if head.method != .GET, meters.unsent.isOver {
            meters.overloaded.increment()
            return refuse(.serviceUnavailable)
        }
        // There is no other protocol here, and after such a request nothing more is read.
        keepsAlive = head.isKeepAlive && !isStopping && head.method != .CONNECT && !head.headers.contains(name: "upgrade")
        isHeadOnly = head.method == .HEAD
        hasHead = false
        let reply = HTTPReply(outbox: outbox)
        self.reply = reply
        http(request, reply)
    }

    /// Answers without the handler, and closes.
    private func refuse(_ status: HTTPResponseStatus) {
        isDeaf = true
        head = nil
        body = []
        countedBytes = 0
        guard let context else { return }
        let text = "\(status.code) \(status.reasonPhrase)\n"
        let headers: HTTPHeaders = [
            "content-type": "text/plain; charset=utf-8", "content-length": "\(text.utf8.count)", "connection": "close",
        ]
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { [weak self] _ in
            // Time to read it: a client that still writes would see a reset instead of the answer.
            self?.closes(after: .milliseconds(500))
        }
    }

    private func drain() {
        guard let context, let outbox else { return }
        outbox.take(into: &items)
        for item in items where item.reply === reply {
            for part in item.parts { write(part, context, outbox) }
        }
        context.flush()
        outbox.watch(limits) { [weak self] in self?.giveUp() }
    }

    /// The client does not read.
    private func giveUp() {
        meters.slowReaders.increment()
        context?.close(promise: nil)
    }

    private func write(_ part: HTTPReply.Item.Part, _ context: ChannelHandlerContext, _ outbox: Outbox<HTTPReply.Item>) {
        switch part {
        case .head(let status, var headers):
            guard !hasHead else { return }
            hasHead = true
            if !keepsAlive { headers.replaceOrAdd(name: "connection", value: "close") }
            if !headers.contains(name: "content-length") { headers.replaceOrAdd(name: "transfer-encoding", value: "chunked") }
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        case .body(let buffer):
            let bytes = buffer.readableBytes
            guard !isHeadOnly, bytes > 0, hasHead else { return outbox.release(bytes) }
            // By pieces, so that it is seen that a slow client takes some.
            var rest = buffer
            while let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes)), piece.readableBytes > 0 {
                let written = context.eventLoop.makePromise(of: Void.self)
                written.futureResult.whenComplete { _ in outbox.release(piece.readableBytes) }
                context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: written)
            }
        case .end:
            reply?.finished()
            reply = nil
            let isLast = !keepsAlive
            let ended = context.eventLoop.makePromise(of: Void.self)
            ended.futureResult.assumeIsolated().whenComplete { [weak self] _ in
                if isLast { self?.context?.close(promise: nil) } else { self?.rest() }
            }
            context.write(wrapOutboundOut(.end(nil)), promise: ended)
            rest()
        case .abort: context.close(promise: nil)
        }
    }

    private static var pieceBytes: Int { 64 << 10 }

    /// Nothing is asked: closed after a while, and before the answer's end only when nothing of it was taken meanwhile.
    private func rest() {
        guard reply == nil, head == nil, let outbox else { return }
        let before = outbox.releasedBytes
        timer?.cancel()
        timer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.idleMax)) { [weak self] in
            guard let self else { return }
            if outbox.waitingBytes > 0, outbox.releasedBytes != before { rest() } else { context?.close(promise: nil) }
        }
    }
}
