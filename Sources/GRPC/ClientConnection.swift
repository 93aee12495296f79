import NIOCore
import NIOHPACK
import NIOHTTP2

/// One HTTP/2 connection of a client; the mirror of `ServerConnection`.
final class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    struct Stream {
        var call: ClientCall
        var reader = MessageReader()
        /// A unary call's answer, kept until its status comes.
        var answer: ByteBuffer?
        /// Window to give to the server. Below zero when more waits for the reader than was kept back.
        var credit = 0
    }

    let options: GRPCClient.Options
    let outbox: Outbox<ClientCall.Item>
    private let ready: EventLoopPromise<Void>
    var streams: [HTTP2StreamID: Stream] = [:]
    var deadlines = DeadlineTable<HTTP2StreamID>()
    var context: ChannelHandlerContext?
    private var items: [ClientCall.Item] = []
    private var isReading = false
    private var window: ConnectionWindow
    private var newest = -1
    private var isGoingAway = false
    private var hasHeard = true
    private var isPinging = false
    private var failure: String?

    static func make(
        _ options: GRPCClient.Options, loop: any EventLoop, ready: EventLoopPromise<Void>
    ) -> ClientConnection {
        final class Later { weak var connection: ClientConnection? }
        let later = Later()
        let outbox = Outbox<ClientCall.Item>(loop: loop, highMark: options.congestedBytes, bytesMax: .max) {
            later.connection?.drain()
        }
        let connection = ClientConnection(options, outbox, ready)
        later.connection = connection
        return connection
    }

    private init(_ options: GRPCClient.Options, _ outbox: Outbox<ClientCall.Item>, _ ready: EventLoopPromise<Void>) {
        self.options = options
        self.outbox = outbox
        self.ready = ready
        window = ConnectionWindow(bytes: options.connectionWindowBytes)
    }

    static func http2(_ options: GRPCClient.Options) -> NIOHTTP2Handler {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .enablePush, value: 0),
            HTTP2Setting(parameter: .initialWindowSize, value: options.streamWindowBytes),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 64 * 1024),
        ]
        connection.headerBlockValidation = .disabled
        connection.contentLengthValidation = .disabled
        connection.controlFrameRateLimit.maximumCount = 20_000
        connection.maximumConnectionGlitches = 20_000
        // What the server had on its way when many calls were ended at once is dropped, and ends nothing.
        connection.maximumRecentlyResetStreams = 16_384
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.streamResetFrameRateLimit.maximumCount = 1_000_000
        stream.streamErrorRateLimit.maximumCount = 20_000
        return NIOHTTP2Handler(mode: .client, connectionConfiguration: connection, streamConfiguration: stream)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(options.connectWithin)) { [weak self] in
            self?.ready.fail(ChannelError.connectTimeout(TimeAmount(.zero)))
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    func channelActive(context: ChannelHandlerContext) {
        let more = options.connectionWindowBytes - 65_535
        if more > 0 { write(.rootStream, .windowUpdate(windowSizeIncrement: more)) }
        context.flush()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        guard context != nil else { return }
        context = nil
        let why = failure ?? "the connection was closed"
        ready.fail(GRPCStatus(.unavailable, why))
        let unsent = outbox.close()
        let all = streams.sorted { $0.key < $1.key }
        streams = [:]
        for (_, stream) in all { stream.call.end(GRPCStatus(.unavailable, why)) }
        for item in unsent {
            if case .open(let call, _, _) = item { call.end(GRPCStatus(.unavailable, why, isUnsent: true)) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOHTTP2Errors.StreamError { return }
        failure = failure ?? "\(error)"
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let update = event as? NIOHTTP2WindowUpdatedEvent {
            if let more = window.credit(for: update) { write(.rootStream, .windowUpdate(windowSizeIncrement: more)) }
            return
        }
        guard let closed = event as? StreamClosedEvent else { return }
        if let stream = streams.removeValue(forKey: closed.streamID) {
            deadlines.remove(closed.streamID)
            switch closed.reason {
            case .refusedStream?: stream.call.end(GRPCStatus(.unavailable, "the server refused the call", isUnsent: true))
            case .cancel?: stream.call.end(GRPCStatus(.cancelled, "the server cancelled the call"))
            case .enhanceYourCalm?: stream.call.end(GRPCStatus(.resourceExhausted, "the server asks for fewer calls"))
            case let reason?: stream.call.end(GRPCStatus(.internalError, "the stream was reset: \(reason)"))
            case nil: stream.call.end(GRPCStatus(.internalError, "the server ended the call without a status"))
            }
        }
        closeWhenDone()
    }

    // MARK: reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isReading {
            isReading = true
            outbox.hold()
        }
        hasHeard = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let payload): receive(frame.streamID, payload.headers, isLast: payload.endStream)
        case .data(let payload):
            guard case .byteBuffer(let buffer) = payload.data else { return }
            let padding = payload.paddingBytes.map { $0 + 1 } ?? 0
            receive(frame.streamID, buffer, padding: padding, isLast: payload.endStream)
        case .settings(.settings):
            ready.succeed()
            watchOver()
        case .ping(_, ack: true): isPinging = false
        case .goAway(let last, _, _):
            isGoingAway = true
            let refused = streams.filter { $0.key > last }.sorted { $0.key < $1.key }
            for (id, stream) in refused {
                streams[id] = nil
                deadlines.remove(id)
                stream.call.end(GRPCStatus(.unavailable, "the server goes away", isUnsent: true))
            }
            closeWhenDone()
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        drain()
        context.fireChannelReadComplete()
    }

    private func closeWhenDone() {
        if isGoingAway && streams.isEmpty { context?.close(promise: nil) }
    }

    private var isWatchedOver = false

    /// A server that has gone without a word is noticed by pings, while something is waited for.
    private func watchOver() {
        guard !isWatchedOver, let context else { return }
        isWatchedOver = true
        hasHeard = true
        schedule(context)
    }

    private func schedule(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(options.pingEvery)) { [weak self] in
            guard let self, let context = self.context else { return }
            if !self.hasHeard && !self.streams.isEmpty {
                if self.isPinging {
                    self.failure = "the server does not answer pings"
                    return context.close(promise: nil)
                }
                self.isPinging = true
                self.write(.rootStream, .ping(HTTP2PingData(withInteger: 1), ack: false))
                context.flush()
            }
            self.hasHeard = false
            self.schedule(context)
        }
    }

    // MARK: writing

    func write(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload, _ promise: EventLoopPromise<Void>? = nil) {
        context?.write(wrapOutboundOut(HTTP2Frame(streamID: id, payload: payload)), promise: promise)
    }

    private func drain() {
        guard let context, !isReading else { return }
        outbox.take(into: &items)
        var smallBytes = 0
        for item in items {
            switch item {
            case .open(let call, let headers, let message):
                smallBytes += message?.readableBytes ?? 0
                open(call, headers, message)
            case .message(let call, let buffer):
                let bytes = buffer.readableBytes
                guard streams[call.stream] != nil else {
                    outbox.release(bytes)
                    continue
                }
                let written = context.eventLoop.makePromise(of: Void.self)
                written.futureResult.whenComplete { [outbox] _ in outbox.release(bytes) }
                write(call.stream, .data(.init(data: .byteBuffer(buffer))), written)
            case .halfClose(let call):
                guard streams[call.stream] != nil else { continue }
                write(call.stream, .data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
            case .cancel(let call):
                guard let stream = streams.removeValue(forKey: call.stream) else { continue }
                drop(call.stream)
                stream.call.end(GRPCStatus(.cancelled, "the call was cancelled"))
            case .took(let call, let bytes): give(call.stream, bytes)
            }
        }
        outbox.release(smallBytes)
        context.flush()
    }

    private func open(_ call: ClientCall, _ headers: HPACKHeaders, _ message: ByteBuffer?) {
        if call.isCancelled { return call.end(GRPCStatus(.cancelled, "the call was cancelled", isUnsent: true)) }
        guard !isGoingAway, newest < Int(Int32.max) - 2 else {
            return call.end(GRPCStatus(.unavailable, "the server goes away", isUnsent: true))
        }
        newest += 2
        let id = HTTP2StreamID(newest)
        call.stream = id
        streams[id] = Stream(call: call)
        if let deadline = call.deadline, let timer = deadlines.add(id, deadline, now: .now()) { wake(at: timer) }
        write(id, .headers(.init(headers: headers)))
        if let message { write(id, .data(.init(data: .byteBuffer(message), endStream: true))) }
    }

    /// Tells the server that nobody waits for this stream any more.
    func drop(_ id: HTTP2StreamID) {
        deadlines.remove(id)
        write(id, .rstStream(.cancel))
    }
}
