import Glibc
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One HTTP/2 connection of a server: all its streams in one table, without a channel each. It reads and writes
/// whole frames; `NIOHTTP2Handler` before it knows HPACK, the states of streams and the client's windows.
final class ServerConnection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    struct Stream {
        var call: ServerCall
        var route: Route
        var reader = MessageReader()
        /// A unary call's one message, kept until the client ends its half.
        var request: ByteBuffer?
        var isClientDone = false
        /// A unary call whose handler has its request.
        var isUnderWay = false
        var hasHeaders = false
        /// Bytes taken since the client was last given window.
        var taken = 0
        /// Of a request that is not whole.
        var pendingBytes: Int { reader.pendingBytes + (request?.readableBytes ?? 0) }

        enum Route {
            case unary(@Sendable (ByteBuffer, ServerCall) -> Void)
            case stream(any CallHandler)
        }
    }

    let router: Router
    let limits: Limits
    let peer: Peer
    let meters: PortMeters
    var streams: [HTTP2StreamID: Stream] = [:]
    /// Of those, calls with one answer that have their whole request.
    private var unaryCalls = 0 {
        didSet { if unaryCalls != oldValue { meters.unaryCalls.add(unaryCalls - oldValue) } }
    }
    private var lingering = Lingering()
    var deadlines = DeadlineTable<HTTP2StreamID>()
    var newest: HTTP2StreamID = .rootStream
    var isStopping = false
    private var window: ConnectionWindow
    /// Of data: what came to calls. Of calls: how many ended before their client was done.
    private var takenBytes = 0, endsUnderWayEver = 0
    /// Trailers that are not written yet and that somebody waits for.
    var endsUnderWay = 0
    private(set) var outbox: Outbox<ServerCall.Item>?
    private var items: [ServerCall.Item] = []
    private var isReading = false
    var incompleteBytes = 0 {
        didSet { if incompleteBytes != oldValue { meters.incomplete.add(incompleteBytes - oldValue) } }
    }
    var context: ChannelHandlerContext?

    init(router: Router, limits: Limits, peer: Peer, meters: PortMeters) {
        self.router = router
        self.limits = limits
        self.peer = peer
        self.meters = meters
        window = ConnectionWindow(bytes: limits.connectionWindowBytes)
    }

    static func http2(_ limits: Limits) -> NIOHTTP2Handler {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.streamsMax),
            HTTP2Setting(parameter: .initialWindowSize, value: limits.streamWindowBytes),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 16 * 1024),
        ]
        connection.headerBlockValidation = .disabled
        connection.contentLengthValidation = .disabled
        // Go's clients ping to measure the bandwidth, and reset each call they cancel.
        // Below what may wait to be written to a client that does not read (10,000).
        connection.controlFrameRateLimit.maximumCount = 5_000
        connection.maximumConnectionGlitches = 20_000
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.streamResetFrameRateLimit.maximumCount = 20_000
        stream.streamErrorRateLimit.maximumCount = 2_000
        return NIOHTTP2Handler(mode: .server, connectionConfiguration: connection, streamConfiguration: stream)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outbox = Outbox(
            loop: context.eventLoop, highMark: limits.congestedBytes, bytesMax: limits.unsentBytesMax, load: meters.unsent
        ) { [weak self] in self?.drain() }
        let more = limits.connectionWindowBytes - 65_535
        if more > 0 { write(.rootStream, .windowUpdate(windowSizeIncrement: more)) }
        context.flush()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        context = nil
        outbox?.close()
        let all = streams.sorted { $0.key < $1.key }
        streams = [:]
        for (_, stream) in all { abandon(stream) }
        unaryCalls = 0
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The handler before us has answered an error of one stream by a reset, and one of the connection by GOAWAY.
        if error is NIOHTTP2Errors.StreamError { return }
        meters.garbage.increment()
        // Never inside somebody's write: it may be ours that failed.
        context.eventLoop.assumeIsolated().execute { [weak self] in self?.context?.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Two of these come with every call, and trying what else it could be costs more than the rest of this.
        if type(of: event) == NIOHTTP2StreamCreatedEvent.self { return }
        if type(of: event) == NIOHTTP2WindowUpdatedEvent.self {
            if let update = event as? NIOHTTP2WindowUpdatedEvent { give(update) }
            return
        }
        switch event {
        case let closed as StreamClosedEvent:
            if let stream = streams.removeValue(forKey: closed.streamID) { abandon(stream) }
            closeWhenStopped()
        case is PortStopping: stop()
        case let pressure as PortPressure: if outbox?.tookNothing(pressure) == true { giveUp() }
        case ChannelEvent.inputClosed: context.close(promise: nil)
        default: break
        }
    }

    /// The stream is gone before its call ended.
    private func abandon(_ stream: Stream) {
        deadlines.remove(stream.call.stream)
        incompleteBytes -= stream.pendingBytes
        if stream.isUnderWay { unaryCalls -= 1 }
        stream.call.closed()
        if case .stream(let handler) = stream.route { handler.cancel() }
    }

    // MARK: reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isReading {
            isReading = true
            outbox?.hold()
        }
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let payload): begin(frame.streamID, payload)
        case .data(let payload):
            guard case .byteBuffer(let buffer) = payload.data else { return }
            let padding = payload.paddingBytes.map { $0 + 1 } ?? 0
            takenBytes += buffer.readableBytes + padding
            receive(frame.streamID, buffer, padding: padding, isLast: payload.endStream)
        case .goAway where streams.isEmpty: context.close(promise: nil)
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        drain()
        if unaryCalls == 1 { linger() }
        context.fireChannelReadComplete()
    }

    /// One who calls alone, and waits for each answer before the next call, waits for every thread that has to be woken for it. Its
    /// answer is near, and no other call of this port with one answer waits for it: it is had for less by looking for it, other threads
    /// let in between, than by sleeping until it comes. What else this loop serves waits meanwhile, for `Lingering.longest` at most.
    private func linger() {
        guard let outbox, meters.unaryCalls.isOne, lingering.isWorthIt() else { return }
        outbox.hold()
        let end = NIODeadline.now() + Lingering.longest
        repeat {
            sched_yield()
            guard !outbox.isFilled else {
                lingering.note(succeeded: true)
                return drain()
            }
        } while NIODeadline.now() < end && meters.unaryCalls.isOne
        lingering.note(succeeded: false)
        if outbox.letGo() { drain() }
    }

    /// The handler has a unary call's whole request.
    func noteUnderWay(_ id: HTTP2StreamID) {
        guard let place = streams.index(forKey: id), !streams.values[place].isUnderWay else { return }
        streams.values[place].isUnderWay = true
        unaryCalls += 1
    }

    private func begin(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload.Headers) {
        if streams[id] != nil {
            // Trailers of the client: all they can say is that it is done.
            if payload.endStream { receive(id, ByteBuffer(), padding: 0, isLast: true) }
            return
        }
        newest = max(newest, id)
        let head = RequestHead(payload.headers)
        guard head.isPost && head.isGRPC else {
            write(id, .headers(.init(headers: Metadata.plain(head.isPost ? "415" : "405"), endStream: true)))
            if !payload.endStream {
                endsUnderWayEver += 1
                write(id, .rstStream(.noError))
            }
            return
        }
        guard let outbox else { return }
        meters.calls.increment()
        var refusal: GRPCStatus?
        if let encoding = head.encoding, encoding != "identity" {
            refusal = GRPCStatus(.unimplemented, "grpc: Decompressor is not installed for grpc-encoding \(encoding.debugDescription)")
        }
        let route = router[head.path]
        if route == nil && refusal == nil { refusal = router.unknown(head.path) }
        if refusal == nil, meters.unsent.isOver {
            meters.overloaded.increment()
            refusal = limits.overloaded
        }
        let isUnary = if case .unary = route { true } else { false }
        let call = ServerCall(
            method: head.path, peer: peer, stream: id, isUnary: isUnary, headers: payload.headers, outbox: outbox)
        if let refusal {
            streams[id] = Stream(call: call, route: .unary { _, _ in }, isClientDone: payload.endStream)
            call.finish(refusal)
            return
        }
        if let timeout = head.timeout {
            let deadline = NIODeadline.now() + TimeAmount(timeout)
            if deadlines.add(id, deadline) { wake(at: deadline) }
        }
        switch route {
        case .unary(let body): streams[id] = Stream(call: call, route: .unary(body))
        case .stream(let make): streams[id] = Stream(call: call, route: .stream(make(call)))
        case nil: break
        }
        if payload.endStream { receive(id, ByteBuffer(), padding: 0, isLast: true) }
    }

    /// Gives the client its window back, whatever became of what it sent; unless it sends on and on into calls that have ended: of each,
    /// a stream's window may have been under way.
    private func give(_ update: NIOHTTP2WindowUpdatedEvent) {
        guard let more = window.credit(for: update) else { return }
        // What was read in this very turn may not have been taken yet.
        guard window.givenBytes - takenBytes <= (endsUnderWayEver + 1) * limits.streamWindowBytes + limits.connectionWindowBytes / 2 else {
            meters.garbage.increment()
            context?.close(promise: nil)
            return
        }
        write(.rootStream, .windowUpdate(windowSizeIncrement: more))
    }

    // MARK: writing

    func write(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload, _ promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(wrapOutboundOut(HTTP2Frame(streamID: id, payload: payload)), promise: promise)
    }

    /// Writes all that waits in the outbox, and flushes once.
    private func drain() {
        guard let context, let outbox, !isReading else { return }
        outbox.take(into: &items)
        guard !items.isEmpty else { return context.flush() }
        // Small unary answers are counted together: the way of the last frame to the socket tells of all.
        var smallBytes = 0
        for (place, item) in items.enumerated() {
            let bytes = item.message?.readableBytes ?? 0
            var written: EventLoopPromise<Void>?
            if item.call.isUnary && bytes <= 16 * 1024 {
                smallBytes += bytes
            } else if bytes > 0 {
                written = context.eventLoop.makePromise()
                let tail = Self.slices(of: bytes).last
                written?.futureResult.assumeIsolated().whenComplete { [weak self] _ in
                    item.call.released(tail)
                    self?.closeWhenStopped()
                }
            }
            var ended: EventLoopPromise<Void>?
            if place == items.count - 1 && smallBytes > 0 {
                ended = context.eventLoop.makePromise()
                ended?.futureResult.assumeIsolated().whenComplete { [weak self, smallBytes] _ in
                    outbox.release(smallBytes)
                    self?.closeWhenStopped()
                }
            }
            put(item, written, ended)
        }
        context.flush()
        outbox.watch(limits) { [weak self] in self?.giveUp() }
    }

    private static let sliceBytes = 1 << 20

    /// How a message is written: so many slices, and at last the rest, which is not empty.
    private static func slices(of bytes: Int) -> (whole: Int, last: Int) {
        let whole = max(0, bytes - 1) / sliceBytes
        return (whole, bytes - whole * sliceBytes)
    }

    /// The client does not read.
    private func giveUp() {
        meters.slowReaders.increment()
        context?.close(promise: nil)
    }

    /// - Parameters:
    ///   - written: kept when the message is written.
    ///   - ended: kept when the last frame is written.
    private func put(_ item: ServerCall.Item, _ written: EventLoopPromise<Void>?, _ ended: EventLoopPromise<Void>?) {
        let id = item.call.stream
        guard let place = streams.index(forKey: id) else {
            if written != nil, let bytes = item.message?.readableBytes { item.call.released(bytes - Self.slices(of: bytes).last) }
            written?.fail(ChannelError.alreadyClosed)
            ended?.fail(ChannelError.alreadyClosed)
            return
        }
        if var message = item.message {
            if !streams.values[place].hasHeaders {
                streams.values[place].hasHeaders = true
                write(id, .headers(.init(headers: Metadata.response)))
            }
            if written != nil {
                // One at a time, so that it is seen how a client takes what is large.
                for _ in 0..<Self.slices(of: message.readableBytes).whole {
                    guard let slice = message.readSlice(length: Self.sliceBytes), let context else { break }
                    let part = context.eventLoop.makePromise(of: Void.self)
                    part.futureResult.assumeIsolated().whenComplete { _ in item.call.released(Self.sliceBytes) }
                    write(id, .data(.init(data: .byteBuffer(slice))), part)
                }
            }
            if written == nil && item.end == nil {
                write(id, .data(.init(data: .byteBuffer(message))), ended)
            } else {
                write(id, .data(.init(data: .byteBuffer(message))), written)
            }
        }
        guard let status = item.end else {
            if written != nil { ended?.succeed() }
            return
        }
        // Writing may have closed the connection, and the stream with it.
        guard let stream = streams.removeValue(forKey: id) else {
            ended?.fail(ChannelError.alreadyClosed)
            return
        }
        let trailers = stream.hasHeaders ? Metadata.trailers(status) : Metadata.only(status)
        var last = ended
        if !stream.isClientDone || isStopping {
            // A client that has not ended its half is told to stop, but only after all was written.
            last = last ?? context?.eventLoop.makePromise()
            endsUnderWay += 1
            endsUnderWayEver += 1
            last?.futureResult.assumeIsolated().whenComplete { [weak self, isClientDone = stream.isClientDone] _ in
                guard let self else { return }
                self.endsUnderWay -= 1
                if !isClientDone { self.write(id, .rstStream(.noError)) }
                self.context?.flush()
                self.closeWhenStopped()
            }
        }
        write(id, .headers(.init(headers: trailers, endStream: true)), last)
        if stream.isUnderWay { unaryCalls -= 1 }
        if item.isAborted, case .stream(let handler) = stream.route { handler.cancel() }
        deadlines.remove(id)
        incompleteBytes -= stream.pendingBytes
        stream.call.closed()
    }
}
