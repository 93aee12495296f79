import CHost
import NIOCore

/// Advertises whenever somebody asks, and now and then where no other server is.
final class RouterHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private let interface: String
    private let send: ([UInt8]) -> Int32
    private var hasScheduled = false
    private var isEnding = false
    private var lastSent: NIODeadline?
    private var failures = 0

    /// A thousand machines that ask at once are told together. RFC 4861 has 3 s here, which every boot would wait.
    private static let gap = TimeAmount.milliseconds(200)
    private static let period = TimeAmount.seconds(60)
    /// An interface has its own address some seconds after a first machine is on it, and can send nothing before.
    private static let retry = TimeAmount.seconds(2)
    private static let failuresUntold = 5
    /// Linux: IFF_RUNNING.
    private static let flagRunning: Int32 = 0x40

    /// - Parameter send: to all nodes of the link; gives 0, or -errno.
    init(_ segment: BootSegment, interface: String, send: @escaping ([UInt8]) -> Int32) {
        self.segment = segment
        self.interface = interface
        self.send = send
    }

    /// Beside another server the network is somebody else's: nobody there is told anything that they did not ask.
    func channelActive(context: ChannelHandlerContext) { if segment.service.mode == .server { advertise(context.eventLoop) } }
    func channelInactive(context: ChannelHandlerContext) { isEnding = true }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data)
        guard RouterAdvertisement.isSolicitation(Array(envelope.data.readableBytesView)), !hasScheduled else { return }
        let next = lastSent.map { $0 + Self.gap } ?? .now()
        if next <= .now() {
            _ = sendNow()
            return
        }
        hasScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(deadline: next) {
            self.hasScheduled = false
            _ = self.sendNow()
        }
    }

    /// Now and then, from the beginning to the end.
    private func advertise(_ loop: any EventLoop) {
        guard !isEnding else { return }
        let isSent = sendNow()
        loop.assumeIsolated().scheduleTask(in: isSent ? Self.period : Self.retry) { self.advertise(loop) }
    }

    private func sendNow() -> Bool {
        guard !isEnding else { return false }
        var hardware = [UInt8](repeating: 0, count: 6)
        let isKnown = chost_interface_hardware(interface, &hardware) == 0
        let advertisement = RouterAdvertisement(hardware: isKnown ? HardwareAddress(octets: hardware) : nil, for: segment.service)
        lastSent = .now()
        let failure = send(advertisement.bytes)
        if failure == 0 {
            failures = 0
            segment.failed(advertising: nil)
        } else if chost_interface_flags(interface) & Self.flagRunning != 0 {
            failures += 1
            if failures > Self.failuresUntold { segment.failed(advertising: errnoText(-failure)) }
        }
        return failure == 0
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { segment.logger.debug("router: \(error)") }
}
