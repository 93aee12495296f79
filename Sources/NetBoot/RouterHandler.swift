import CHost
import NIOCore

/// Advertises now and then, and whenever somebody asks.
final class RouterHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private let interface: String
    private let mtu: Int
    private var hasScheduled = false
    private var isEnding = false
    private var lastSent: NIODeadline?

    /// A thousand machines that ask at once are told together. RFC 4861 has 3 s here, which every boot would wait.
    private static let gap = TimeAmount.milliseconds(200)
    private static let period = TimeAmount.seconds(60)
    /// Until the kernel has given the interface its own address it can send nothing.
    private static let retry = TimeAmount.seconds(2)

    init(_ segment: BootSegment, interface: String, mtu: Int) {
        self.segment = segment
        self.interface = interface
        self.mtu = mtu
    }

    func channelActive(context: ChannelHandlerContext) { advertise(NIOLoopBound(context, eventLoop: context.eventLoop)) }
    func channelInactive(context: ChannelHandlerContext) { isEnding = true }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data)
        guard RouterAdvertisement.isSolicitation(Array(envelope.data.readableBytesView)), !hasScheduled else { return }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let next = lastSent.map { $0 + Self.gap } ?? .now()
        if next <= .now() { return send(bound) }
        hasScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(deadline: next) {
            self.hasScheduled = false
            self.send(bound)
        }
    }

    private func advertise(_ context: NIOLoopBound<ChannelHandlerContext>) {
        guard !isEnding else { return }
        send(context)
    }

    private var hasPeriod = false

    private func again(_ context: NIOLoopBound<ChannelHandlerContext>, in delay: TimeAmount) {
        guard !hasPeriod else { return }
        hasPeriod = true
        context.value.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            self.hasPeriod = false
            self.advertise(context)
        }
    }

    private func send(_ context: NIOLoopBound<ChannelHandlerContext>) {
        guard !isEnding else { return }
        var hardware = [UInt8](repeating: 0, count: 6)
        let isKnown = chost_interface_hardware(interface, &hardware) == 0
        let advertisement = RouterAdvertisement(
            hardware: isKnown ? HardwareAddress(octets: hardware) : nil, mtu: UInt32(truncatingIfNeeded: mtu))
        guard let everybody = try? SocketAddress(ipAddress: "ff02::1", port: 0) else { preconditionFailure("ff02::1 is an address") }
        lastSent = .now()
        let bytes = context.value.channel.allocator.buffer(bytes: advertisement.bytes)
        let envelope = AddressedEnvelope(remoteAddress: everybody, data: bytes)
        let sent = context.value.eventLoop.makePromise(of: Void.self)
        context.value.writeAndFlush(Self.wrapOutboundOut(envelope), promise: sent)
        sent.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success:
                self.segment.failed(advertising: nil)
                self.again(context, in: Self.period)
            case .failure(let error):
                if !self.isEnding { self.segment.failed(advertising: "\(error)") }
                self.again(context, in: Self.retry)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { segment.logger.debug("router: \(error)") }
}
