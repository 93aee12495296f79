import NIOCore

/// Carries DHCP messages between a socket and the decider.
final class DHCPHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let segment: BootSegment
    private let sender: BootSender
    private let isProxyPort: Bool

    init(_ segment: BootSegment, _ sender: BootSender, atProxyPort: Bool) {
        self.segment = segment
        self.sender = sender
        isProxyPort = atProxyPort
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data), began = segment.time.now()
        guard let from = envelope.remoteAddress.address4, let packet = DHCPPacket(Array(envelope.data.readableBytesView)) else { return }
        let source = (address: from, port: envelope.remoteAddress.port ?? 68)
        guard let reply = segment.receive(packet, atProxyPort: isProxyPort, from: source) else { return }
        segment.logger.debug(
            "dhcp", metadata: ["mac": "\(packet.hardware)", "kind": "\(packet.kind?.rawValue ?? 0)", "answer": "\(reply.packet.kind?.rawValue ?? 0)"])
        let failure = sender.send(reply.packet.bytes, to: reply.address, port: reply.port)
        segment.noteAnswer(to: packet.hardware, since: began)
        if failure < 0 { segment.logger.debug("dhcp: \(errnoText(-failure))", metadata: ["to": "\(reply.address)"]) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        segment.logger.debug("dhcp: \(error)")
    }
}
