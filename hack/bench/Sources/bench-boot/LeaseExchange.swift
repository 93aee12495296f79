import NIOCore
import NIOPosix
import NetBoot
import Synchronization

/// The one socket on port 68 that all machines of this namespace share; answers find their machine by transaction.
final class LeaseExchange: Sendable {
    private struct State {
        var waiting: [UInt32: CheckedContinuation<DHCPPacket?, Never>] = [:]
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    init(_ group: any EventLoopGroup) async throws {
        // A burst of answers to a thousand machines comes to one socket here, not to a thousand: it needs their room. Linux lets root
        // have it (SO_RCVBUFFORCE, socket(7)).
        let room = ChannelOptions.Types.SocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: 33))
        let channel = try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_reuseaddr), value: 1).channelOption(.socketOption(.so_broadcast), value: 1)
            .channelOption(room, value: 64 << 20)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Receiver(self)) } }
            .bind(host: "0.0.0.0", port: 68).get()
        self.channel.withLock { $0 = channel }
    }

    /// Sends, and waits for an answer to the packet's transaction; again every 4 seconds, as RFC 2131 wants it (4.1).
    /// - Returns: the answer, nil after four times in vain, and how often it was sent in vain.
    func ask(_ packet: DHCPPacket) async -> (answer: DHCPPacket?, repeated: Int) {
        for turn in 0..<4 {
            if let answer = await once(packet) { return (answer, turn) }
        }
        return (nil, 4)
    }

    private func once(_ packet: DHCPPacket) async -> DHCPPacket? {
        guard let channel = channel.withLock({ $0 }), let everybody = try? SocketAddress(ipAddress: "255.255.255.255", port: 67) else { return nil }
        let id = packet.transaction
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(4)) { self.finish(id, nil) }
        defer { timeout.cancel() }
        return await withCheckedContinuation { continuation in
            state.withLock { $0.waiting[id] = continuation }
            channel.writeAndFlush(AddressedEnvelope(remoteAddress: everybody, data: channel.allocator.buffer(bytes: packet.bytes)), promise: nil)
        }
    }

    private func finish(_ id: UInt32, _ packet: DHCPPacket?) {
        state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: packet)
    }

    private final class Receiver: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        private let exchange: LeaseExchange
        init(_ exchange: LeaseExchange) { self.exchange = exchange }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let packet = DHCPPacket(Array(Self.unwrapInboundIn(data).data.readableBytesView)), packet.operation == .reply else { return }
            exchange.finish(packet.transaction, packet)
        }
    }
}
