import DequeModule
import Glibc
import NIOCore

/// One HTTP/2 connection of a server (RFC 9113): all its streams in one table, without a channel each, and its frames read and written in
/// place. Beside its calls and their streams (`ServerConnection+Streams`) it knows what the frames mean (`ServerConnection+Frames`).
final class ServerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Stream {
        let call: ServerCall
        var route: Route
        let begun: NIODeadline
        var reader = MessageReader()
        /// A unary call's one message, kept until the client ends its half.
        var request: ByteBuffer?
        var isClientDone: Bool
        /// How much data is to come still, where the client said so.
        var announced: Int?
        /// A unary call whose handler has its request.
        var isUnderWay = false
        var window: ReceiveWindow
        var queue: SendQueue

        /// The call is over: what comes is dropped, and what waits is all that is still written.
        var isEnded: Bool { queue.end != nil }
        /// Of a request that is not whole.
        var pendingBytes: Int { reader.pendingBytes + (request?.readableBytes ?? 0) }

        /// Whether so much data may come of what was announced, and be the last.
        mutating func announces(_ bytes: Int, isLast: Bool) -> Bool {
            guard let announced else { return true }
            self.announced = announced - bytes
            return isLast ? announced == bytes : announced >= bytes
        }

        enum Route {
            case unary(@Sendable (ByteBuffer, ServerCall) -> Void)
            case stream(any CallHandler)
            case nowhere
        }
    }

    let limits: Limits
    let peer: Peer
    let meters: PortMeters
    var streams: [UInt32: Stream] = [:]
    /// Begun by the client; of those, the last that is served.
    var newest: UInt32 = 0, served: UInt32 = 0
    var deadlines = DeadlineTable<UInt32>()
    /// Of those, calls with one answer that have their whole request.
    private var unaryCalls = 0 {
        didSet { if unaryCalls != oldValue { meters.unaryCalls.add(unaryCalls - oldValue) } }
    }
    private var lingering = Lingering()

    private var reader = FrameReader()
    private var framesRead = 0
    private var isFrameWatched = false
    var requests: RequestHeaders
    var flood = FloodGuard()
    var window: ReceiveWindow
    /// Streams that were ended before their client was: of each, a stream's window may still come. And what did.
    var cutShort = 0, ignoredBytes = 0
    /// For the first window of a stream.
    var streamWindow = HTTP2.windowAtFirst

    var outgoing = Outgoing()
    /// Streams with something to write that wait for the connection's window or the socket, in turns.
    var row: Deque<UInt32> = []
    private(set) var outbox: Outbox<ServerCall.Item>?
    private var items: [ServerCall.Item] = []
    private var isReading = false, isDraining = false, isFlushing = false, hasFailed = false
    /// We, or the client, said that nothing new begins.
    var isStopping = false, isLeaving = false
    var incompleteBytes = 0 {
        didSet { if incompleteBytes != oldValue { meters.incomplete.add(incompleteBytes - oldValue) } }
    }
    private(set) var context: ChannelHandlerContext?

    init(router: Router, limits: Limits, peer: Peer, meters: PortMeters) {
        self.limits = limits
        self.peer = peer
        self.meters = meters
        requests = RequestHeaders(router: router)
        window = ReceiveWindow(bytes: max(limits.connectionWindowBytes, HTTP2.windowAtFirst))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outbox = Outbox(
            loop: context.eventLoop, highMark: limits.congestedBytes, bytesMax: limits.unsentBytesMax, load: meters.unsent
        ) { [weak self] in self?.drain() }
        outgoing.write {
            $0.writeSettings([
                (SettingName.maxConcurrentStreams, limits.streamsMax), (SettingName.initialWindowSize, limits.streamWindowBytes),
                (SettingName.maxHeaderListSize, RequestHeaders.listBytesMax),
            ])
        }
        let more = window.bytes - HTTP2.windowAtFirst
        if more > 0 { outgoing.write { $0.writeWindowUpdate(stream: 0, more) } }
        flush()
        watchFrame()
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
        // A connection that breaks is no garbage.
        if !(error is IOError) { meters.garbage.increment() }
        // Never inside somebody's write: it may be ours that failed.
        context.eventLoop.assumeIsolated().execute { [weak self] in self?.close() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is PortStopping: stop()
        case let pressure as PortPressure: if outbox?.tookNothing(pressure, now: .now()) == true { giveUp() }
        case ChannelEvent.inputClosed: close()
        default: break
        }
    }

    func close() { context?.close(promise: nil) }

    // MARK: reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        if !isReading {
            isReading = true
            outbox?.hold()
        }
        let buffer = unwrapInboundIn(data)
        meters.received.increment(by: buffer.readableBytes)
        reader.append(buffer)
        do throws(HTTP2Fault) {
            while self.context != nil, let frame = try reader.next() {
                framesRead += 1
                try take(frame)
            }
        } catch {
            fail(error)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        reader.settle()
        watchFrame()
        drain()
        if unaryCalls == 1 { linger() }
        context.fireChannelReadComplete()
    }

    /// Who begins a frame, and does not end it, is not waited for: as much of it is kept as there is of a header block.
    private func watchFrame() {
        guard reader.isWithinFrame, !isFrameWatched, let context else { return }
        isFrameWatched = true
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.headersWithin)) { [weak self, framesRead] in
            guard let self else { return }
            self.isFrameWatched = false
            guard self.framesRead == framesRead, self.reader.isWithinFrame else { return self.watchFrame() }
            self.meters.garbage.increment()
            self.close()
        }
    }

    /// The client is told why it is closed, if it reads.
    private func fail(_ fault: HTTP2Fault) {
        hasFailed = true
        meters.garbage.increment()
        outgoing.write { $0.writeGoAway(last: served, fault.code, fault.words) }
        flush()
        context?.eventLoop.assumeIsolated().execute { [weak self] in self?.close() }
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

    // MARK: calls

    /// The handler has a unary call's whole request.
    func noteUnderWay(_ place: Dictionary<UInt32, Stream>.Index) {
        guard !streams.values[place].isUnderWay else { return }
        streams.values[place].isUnderWay = true
        unaryCalls += 1
    }

    /// The call is over: what came of it and was not used is let go.
    private func end(_ place: Dictionary<UInt32, Stream>.Index, _ status: GRPCStatus, isAborted: Bool) {
        let stream = streams.values[place]
        streams.values[place].queue.end = status
        streams.values[place].route = .nowhere
        streams.values[place].reader = MessageReader()
        streams.values[place].request = nil
        if !stream.isClientDone { cutShort += 1 }
        forget(stream, status.code)
        if isAborted, case .stream(let handler) = stream.route { handler.cancel() }
    }

    /// The stream is gone, before its call ended or before all of it was written.
    func abandon(_ stream: Stream) {
        stream.call.released(stream.queue.bytes)
        if stream.queue.isInRow, row.count > 2 * streams.count + 64 { row.removeAll { streams[$0] == nil } }
        guard !stream.isEnded else { return }
        forget(stream, .cancelled)
        if case .stream(let handler) = stream.route { handler.cancel() }
    }

    private func forget(_ stream: Stream, _ code: GRPCStatus.Code) {
        stream.call.meters?.noteEnded(code, begun: stream.begun)
        deadlines.remove(stream.call.stream)
        incompleteBytes -= stream.pendingBytes
        if stream.isUnderWay { unaryCalls -= 1 }
        stream.call.closed()
    }

    // MARK: writing

    /// Writes all that waits in the outbox, and flushes once.
    private func drain() {
        // A call's end may lead to another's next message: that comes in its own turn.
        guard context != nil, let outbox, !isReading, !isDraining else { return }
        isDraining = true
        outbox.take(into: &items)
        for item in items { put(item) }
        items.removeAll(keepingCapacity: true)
        isDraining = false
        flush()
        guard !outgoing.isFlooded else { return giveUp() }
        outbox.watch(limits) { [weak self] in self?.giveUp() }
        closeWhenDone()
    }

    private func put(_ item: ServerCall.Item) {
        guard let place = streams.index(forKey: item.call.stream), !streams.values[place].isEnded else {
            return item.call.released(item.message?.readableBytes ?? 0)
        }
        if var message = item.message {
            // Not before others that wait for their turn.
            if row.isEmpty, streams.values[place].queue.pieces.isEmpty { outgoing.write(&message, of: item.call, &streams.values[place].queue) }
            if message.readableBytes > 0 { streams.values[place].queue.pieces.append(message) }
        }
        if let status = item.end { end(place, status, isAborted: item.isAborted) }
        settle(place)
        flood.noteAnswer()
    }

    /// What can be written of a stream was: it is over, or has its turn again when the window or the socket let it.
    func settle(_ place: Dictionary<UInt32, Stream>.Index) {
        let queue = streams.values[place].queue
        if !queue.pieces.isEmpty {
            guard queue.window > 0, !queue.isInRow else { return }
            streams.values[place].queue.isInRow = true
            row.append(streams.keys[place])
        } else if let end = queue.end {
            let stream = streams.remove(at: place).value
            outgoing.writeEnd(stream.call, end, hasHead: queue.hasHead, isClientDone: stream.isClientDone)
        }
    }

    /// Gives those who wait their turns, as far as the connection's window and the socket go.
    private func writeRow() {
        while outgoing.window > 0, !outgoing.isFull, let id = row.popFirst() {
            guard let place = streams.index(forKey: id) else { continue }
            streams.values[place].queue.isInRow = false
            let call = streams.values[place].call
            outgoing.write(&streams.values[place].queue, of: call)
            settle(place)
        }
    }

    private func flush() {
        guard !isFlushing else { return }
        isFlushing = true
        defer { isFlushing = false }
        writeRow()
        while let context, !outgoing.isEmpty {
            let batch = outgoing.takeBatch()
            let (bytes, frames, released) = (batch.buffer.readableBytes, batch.frames, batch.released)
            // What is no message waits as well, and who does not read is not to be given more and more of it.
            let releasedBytes = batch.releasedBytes + batch.frameBytes
            outbox?.hold(bytes: batch.frameBytes)
            meters.sent.increment(by: bytes)
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { [weak self, outbox] _ in
                for (call, bytes) in released { call.released(bytes) }
                outbox?.release(releasedBytes)
                self?.wrote(bytes, frames)
            }
            context.writeAndFlush(wrapOutboundOut(batch.buffer), promise: written)
            writeRow()
        }
    }

    /// The socket has taken so much.
    private func wrote(_ bytes: Int, _ frames: Int) {
        outgoing.taken(bytes, frames)
        if !row.isEmpty { flush() }
        closeWhenDone()
    }

    /// The client does not read.
    private func giveUp() {
        meters.slowReaders.increment()
        close()
    }

    // MARK: stopping

    /// No new calls; unary ones that have their request may end, all others are ended.
    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        outgoing.write { $0.writeGoAway(last: served, .noError) }
        for (_, stream) in streams.sorted(by: { $0.key < $1.key }) where !stream.isEnded && !stream.isUnderWay {
            stream.call.finish(limits.stopping)
            if case .stream(let handler) = stream.route { handler.cancel() }
        }
        flush()
        closeWhenDone()
    }

    /// Closes when nothing is left to be said: answers may still wait for the client's window.
    func closeWhenDone() {
        guard isStopping || isLeaving, streams.isEmpty, outgoing.isWritten, let outbox, outbox.waitingBytes <= 0 else { return }
        close()
    }
}
