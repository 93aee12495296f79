import NIOCore
import NIOPosix

/// Hears requests for boot loaders and gives each a session with a port of its own.
final class TFTPListener: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private let sender: BootSender
    private var sessions: Set<SocketAddress> = []
    private var perAddress: [Address4: Int] = [:]

    static let sessionsMax = 1024, sessionsPerAddress = 16
    /// A file name may have the asking machine's MAC address before it: "52-54-00-00-01-01/ipxe.efi".
    private static let prefixCount = 18

    init(_ segment: BootSegment, _ sender: BootSender) {
        self.segment = segment
        self.sender = sender
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data)
        let client = envelope.remoteAddress
        guard let address = client.address4, let packet = TFTPPacket(Array(envelope.data.readableBytesView)) else { return }
        switch packet {
        case .read(let request):
            // The same request again, while its answer is under way.
            guard !sessions.contains(client) else { return }
            guard request.mode == "octet" else { return refuse(client, 0, "only mode octet is served") }
            let (mac, name) = Self.parse(request.file)
            guard let content = segment.loader(name) else { return refuse(client, 1, "there is no such file") }
            guard sessions.count < Self.sessionsMax, perAddress[address, default: 0] < Self.sessionsPerAddress else {
                return refuse(client, 0, "too many transfers")
            }
            let machine = segment.mac(named: mac, at: address)
            segment.note(.tftp, of: machine)
            open(context, client, address, machine, request, content)
        case .write: refuse(client, 2, "nothing is taken here")
        case .data, .acknowledge, .error, .options: break
        }
    }

    static func parse(_ file: String) -> (HardwareAddress?, String) {
        let name = file.hasPrefix("/") ? file.dropFirst() : file[...]
        if name.utf8.count > prefixCount, let mac = HardwareAddress(name.prefix(17)), name.dropFirst(17).first == "/" {
            return (mac, String(name.dropFirst(prefixCount)))
        }
        return (nil, String(name))
    }

    private func refuse(_ client: SocketAddress, _ code: UInt16, _ why: String) {
        guard let address = client.address4, let port = client.port else { return }
        sender.send(TFTPPacket.error(code: code, why).bytes, to: address, port: port)
    }

    private func open(
        _ context: ChannelHandlerContext, _ client: SocketAddress, _ address: Address4, _ machine: HardwareAddress?, _ request: TFTPPacket.Request,
        _ content: [UInt8]
    ) {
        let service = segment.service
        // IPv4 and UDP take 28 bytes of a frame, TFTP itself 4.
        let session = TFTPSession(request, content: content, blockSizeMax: service.mtu - 32, now: segment.time.now())
        let descriptor: Int32
        do {
            var socket = try BootSocket(service.interface, service.server, port: 0)
            descriptor = socket.take()
        } catch {
            segment.logger.warning("tftp: \(error)")
            return refuse(client, 0, "no port is free")
        }
        sessions.insert(client)
        perAddress[address, default: 0] += 1
        let segment = segment
        let opened = DatagramBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TFTPSessionHandler(segment, session, client, machine))
                }
            }
            .withBoundSocket(descriptor)
        opened.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): channel.closeFuture.assumeIsolated().whenComplete { _ in self.ended(client, address) }
            case .failure: self.ended(client, address)
            }
        }
    }

    private func ended(_ client: SocketAddress, _ address: Address4) {
        sessions.remove(client)
        perAddress[address, default: 0] -= 1
        if perAddress[address] == 0 { perAddress[address] = nil }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { segment.logger.debug("tftp: \(error)") }
}

/// One transfer: the decider, a socket and a clock.
final class TFTPSessionHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private var session: TFTPSession
    private let client: SocketAddress
    private let machine: HardwareAddress?
    private var isEnding = false

    private static let tick = TimeAmount.milliseconds(250)

    init(_ segment: BootSegment, _ session: TFTPSession, _ client: SocketAddress, _ machine: HardwareAddress?) {
        self.segment = segment
        self.session = session
        self.client = client
        self.machine = machine
    }

    func channelActive(context: ChannelHandlerContext) {
        send(context, session.start())
        waitForTick(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data), began = segment.time.now()
        // RFC 1350: who is not the client has come to the wrong port.
        guard envelope.remoteAddress == client, let packet = TFTPPacket(Array(envelope.data.readableBytesView)) else { return }
        carryOut(context, session.receive(packet, now: segment.time.now()))
        segment.noteAnswer(to: machine, since: began)
    }

    private func waitForTick(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.tick) {
            guard !self.isEnding else { return }
            self.carryOut(bound.value, self.session.tick(now: self.segment.time.now()))
            if !self.isEnding { self.waitForTick(bound.value) }
        }
    }

    private func carryOut(_ context: ChannelHandlerContext, _ step: TFTPSession.Step) {
        guard !isEnding else { return }
        send(context, step.send)
        guard let end = step.end else { return }
        isEnding = true
        segment.logger.debug("tftp: \(end)", metadata: ["client": "\(client)"])
        context.close(promise: nil)
    }

    private func send(_ context: ChannelHandlerContext, _ packets: [TFTPPacket]) {
        for packet in packets {
            let bytes = context.channel.allocator.buffer(bytes: packet.bytes)
            context.write(Self.wrapOutboundOut(AddressedEnvelope(remoteAddress: client, data: bytes)), promise: nil)
        }
        context.flush()
    }

    func channelInactive(context: ChannelHandlerContext) { isEnding = true }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { segment.logger.debug("tftp: \(error)") }
}
