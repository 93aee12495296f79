import Causes
import NIOCore
import NIOSSL

/// One connection between two members, whichever side dialled. Lives on the transport's event loop.
final class PeerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Stage {
        /// Waits for the other side's introduction.
        case greeting
        /// Is being looked at by those who admit.
        case admitting
        /// Was let in by us, who did not dial; the other side has yet to agree.
        case welcomed
        case up
        case closed
    }

    let number: UInt64
    /// Nil: it dialled us.
    let dialer: PeerDialer?
    private(set) var stage = Stage.greeting
    /// Of a connection that was dialled, known from the start.
    private(set) var peer: UInt64
    private(set) var lane: Lane
    private(set) var session: UInt64 = 0
    /// Why it ends, as far as is known.
    private(set) var reason: String?
    /// It is closed for reasons of our own, and nobody is to be told that it broke.
    private(set) var isQuiet = false
    private let hub: PeerHub
    private let tls: NIOSSLHandler?
    private var context: ChannelHandlerContext?
    private var decoder = FrameDecoder(payloadBytesMax: Greeting.payloadBytesMax)
    private var arrived: [PeerMessage] = []
    private var arrivedBytes = 0
    private var deadline: Scheduled<Void>?
    private var hasWritten = false
    private var silentIntervals = 0

    init(number: UInt64, hub: PeerHub, dialer: PeerDialer?, tls: NIOSSLHandler?) {
        self.number = number
        self.hub = hub
        self.dialer = dialer
        self.tls = tls
        peer = dialer?.peer ?? 0
        lane = dialer?.lane ?? .raft
    }

    var isUp: Bool { stage == .up }
    var isWritable: Bool { context?.channel.isWritable ?? false }
    var certificate: PeerCertificate? { tls?.peerCertificate.map(PeerCertificate.init) }
    var remote: String { context?.channel.remoteAddress?.ipAddress ?? "an unknown address" }

    /// The other side may come in; its words are taken from the next frame on.
    func admit(_ greeting: Greeting) {
        guard stage == .admitting else { return }
        peer = greeting.hello.from
        lane = greeting.lane
        session = greeting.session
        decoder.payloadBytesMax = hub.options.frameBytesMax
        if dialer == nil {
            stage = .welcomed
            write(.welcome) { hub.greeting(to: greeting.hello.from, greeting.lane).write(to: &$0) }
        } else {
            // The first frame after the welcome tells the other side that we agree as well.
            ping()
            comeUp()
        }
    }

    func refuse(_ refusal: PeerRefusal) {
        guard stage != .closed else { return }
        reason = "\(refusal)"
        write(.refusal) { refusal.write(to: &$0) }
        close()
    }

    /// For us it has ended when this returns, even if TLS takes its time to say goodbye.
    func close(quietly: Bool = false, because why: String? = nil) {
        guard stage != .closed else { return }
        isQuiet = quietly
        if let why, reason == nil { reason = why }
        end()
        context?.close(promise: nil)
    }

    func write(_ bytes: ByteBuffer) {
        hasWritten = true
        context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// Called every ping interval.
    func tick() {
        guard stage == .up || stage == .welcomed else { return }
        silentIntervals += 1
        if silentIntervals > hub.options.silentIntervalsMax { return close(because: "it has been silent for too long") }
        if !hasWritten, isWritable { ping() }
        hasWritten = false
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        guard hub.opened(self) else { return close(quietly: true) }
        let number = number
        let bound = NIOLoopBound(hub, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: TimeAmount(hub.options.greetingTimeout)) {
            bound.value.connection(number)?.runOutOfTime()
        }
        if let dialer { write(.hello) { hub.greeting(to: dialer.peer, dialer.lane).write(to: &$0) } }
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if stage == .greeting, dialer == nil { hub.tally.noteGarbage() }
        close(because: explain(error, host: dialer?.dialled?.host))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard stage != .closed else { return }
        let bytes = unwrapInboundIn(data)
        silentIntervals = 0
        arrivedBytes += bytes.readableBytes
        decoder.append(bytes)
        do throws(FrameError) {
            while stage != .closed, let (kind, content) = try decoder.next() {
                guard take(kind, content) else { return makesNoSense("a frame that has no place there") }
            }
        } catch {
            makesNoSense("\(error)")
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { deliver() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, isUp { hub.drain(peer) }
    }

    /// - Returns: false when the frame has no place here.
    private func take(_ kind: FrameKind, _ content: ByteBuffer) -> Bool {
        switch (kind, stage) {
        case (.hello, .greeting) where dialer == nil, (.welcome, .greeting) where dialer != nil:
            guard let greeting = Greeting(content) else { return false }
            stage = .admitting
            hub.introduced(self, greeting)
        case (.refusal, _):
            guard let refusal = PeerRefusal(content) else { return false }
            if reason == nil { reason = "it refuses us: \(refusal)" }
            hub.refused(self, refusal)
            close()
        case (.ping, .welcomed), (.message, .welcomed):
            comeUp()
            if kind == .message { return takeMessage(content) }
        case (.ping, .up), (.ping, .admitting):
            break
        case (.message, .up):
            return takeMessage(content)
        default:
            return false
        }
        return true
    }

    private func takeMessage(_ content: ByteBuffer) -> Bool {
        guard let message = PeerMessage(content), message.from == peer, message.to == hub.identity?.member else { return false }
        arrived.append(message)
        return true
    }

    private func deliver() {
        guard arrivedBytes > 0 else { return }
        hub.receive(arrived, bytes: arrivedBytes)
        arrived.removeAll(keepingCapacity: arrived.count < 1024)
        arrivedBytes = 0
    }

    private func comeUp() {
        stage = .up
        deadline?.cancel()
        hub.cameUp(self)
    }

    private func runOutOfTime() {
        guard stage == .greeting || stage == .admitting || stage == .welcomed else { return }
        if dialer == nil, stage == .greeting { hub.tally.noteGarbage() }
        close(because: "it did not introduce itself in time")
    }

    private func makesNoSense(_ why: String) {
        hub.tally.noteGarbage()
        close(because: "what it said made no sense (\(why))")
    }

    private func end() {
        guard stage != .closed else { return }
        deliver()
        deadline?.cancel()
        let before = stage
        stage = .closed
        hub.closed(self, before)
    }

    private func ping() { write(.ping) { _ in } }

    private func write(_ kind: FrameKind, _ content: (inout ByteBuffer) -> Void) {
        var buffer = ByteBufferAllocator().buffer(capacity: 128)
        buffer.writeFrame(kind, content)
        write(buffer)
    }
}
