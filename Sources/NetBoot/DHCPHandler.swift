import NIOCore

/// Carries DHCP messages between a socket and the decider.
final class DHCPHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private let isProxyPort: Bool

    init(_ segment: BootSegment, atProxyPort: Bool) {
        self.segment = segment
        isProxyPort = atProxyPort
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data)
        guard let from = envelope.remoteAddress.address4, let packet = DHCPPacket(Array(envelope.data.readableBytesView)) else { return }
        let source = (address: from, port: envelope.remoteAddress.port ?? 68)
        guard let reply = segment.receive(packet, atProxyPort: isProxyPort, from: source) else { return }
        segment.logger.debug(
            "dhcp", metadata: ["mac": "\(packet.hardware)", "kind": "\(packet.kind?.rawValue ?? 0)", "answer": "\(reply.packet.kind?.rawValue ?? 0)"])
        let bytes = context.channel.allocator.buffer(bytes: reply.packet.bytes)
        let target = SocketAddress(reply.address, port: reply.port)
        context.writeAndFlush(Self.wrapOutboundOut(AddressedEnvelope(remoteAddress: target, data: bytes)), promise: nil)
    }

    /// One datagram that cannot be sent is the client's to ask for again; the socket stays.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        segment.logger.debug("dhcp: \(error)")
    }
}
