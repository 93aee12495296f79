import NIOCore
import NIOPosix
import Synchronization

/// A port in front of another one, which can be cut off, or go silent.
final class Relay: Sendable {
    private struct State {
        var listener: (any Channel)?
        var connections: [any Channel] = []
        var isSilent = false
    }
    fileprivate let target: Int
    let port: Int
    private let state = Mutex(State())

    var endpoint: String { "http://127.0.0.1:\(port)" }

    init(to target: Int) async throws {
        self.target = target
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        port = listener.localAddress?.port ?? 0
        try await listener.close()
        try await open()
    }

    func open() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { [self] near in
                near.eventLoop.makeCompletedFuture { try near.pipeline.syncOperations.addHandler(Near(relay: self)) }
            }
            .bind(host: "127.0.0.1", port: port).get()
        state.withLock { ($0.listener, $0.isSilent) = (listener, false) }
    }

    /// As a machine that goes down: every connection breaks, and none can be made.
    func cut() async {
        let all = state.withLock { state in
            defer { (state.listener, state.connections) = (nil, []) }
            return state.connections + [state.listener].compactMap { $0 }
        }
        for channel in all { try? await channel.close() }
    }

    /// Takes everything from now on, and passes nothing on.
    func silence() { state.withLock { $0.isSilent = true } }

    fileprivate func opened(_ channels: [any Channel]) { state.withLock { $0.connections += channels } }

    fileprivate var isSilent: Bool { state.withLock { $0.isSilent } }
}

/// Dials the other port when its own connection is there.
private final class Near: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private let relay: Relay

    init(relay: Relay) { self.relay = relay }

    func channelActive(context: ChannelHandlerContext) {
        let (near, relay) = (context.channel, relay)
        ClientBootstrap(group: context.eventLoop).channelOption(.autoRead, value: false).connect(host: "127.0.0.1", port: relay.target)
            .whenComplete { result in
                guard case .success(let far) = result else { return near.close(promise: nil) }
                do {
                    try near.pipeline.syncOperations.addHandler(Pipe(to: far, relay: relay))
                    try far.pipeline.syncOperations.addHandler(Pipe(to: near, relay: relay))
                } catch { return near.close(promise: nil) }
                relay.opened([near, far])
                for side in [near, far] { side.setOption(.autoRead, value: true).whenComplete { _ in side.read() } }
            }
    }
}

private final class Pipe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let other: any Channel
    private let relay: Relay

    init(to other: any Channel, relay: Relay) {
        self.other = other
        self.relay = relay
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !relay.isSilent { other.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
