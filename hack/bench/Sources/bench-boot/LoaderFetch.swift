import NIOCore
import NIOPosix
import NetBoot

/// One boot loader by TFTP, a block of 1468 bytes at a time, as UEFI firmware does.
enum LoaderFetch {
    static func run(_ group: any EventLoopGroup, from address: String, server: String, _ file: String) async throws -> (bytes: Int, repeated: Int) {
        let loop = group.next()
        let promise = loop.makePromise(of: (bytes: Int, repeated: Int).self)
        let place = try SocketAddress(ipAddress: server, port: 69)
        let channel = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Fetcher(promise, place, file)) } }
            .bind(host: address, port: 0).get()
        defer { channel.close(promise: nil) }
        return try await promise.futureResult.get()
    }

    private final class Fetcher: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        private let promise: EventLoopPromise<(bytes: Int, repeated: Int)>
        private let request: TFTPPacket
        private var peer: SocketAddress
        private var next: UInt16 = 0
        private var bytes = 0
        private var repeated = 0
        private var isOver = false
        private var last: TFTPPacket
        private var clock: Scheduled<Void>?

        init(_ promise: EventLoopPromise<(bytes: Int, repeated: Int)>, _ server: SocketAddress, _ file: String) {
            self.promise = promise
            peer = server
            request = .read(.init(file: file, mode: "octet", options: [.init(name: "tsize", value: "0"), .init(name: "blksize", value: "1468")]))
            last = request
        }

        func channelActive(context: ChannelHandlerContext) { send(context, request) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = Self.unwrapInboundIn(data)
            guard !isOver, let packet = TFTPPacket(Array(envelope.data.readableBytesView)) else { return }
            peer = envelope.remoteAddress
            switch packet {
            case .options:
                guard next == 0 else { return }
                next = 1
                send(context, .acknowledge(block: 0))
            case .data(let block, let content):
                guard block == next else { return }
                next &+= 1
                bytes += content.count
                send(context, .acknowledge(block: block))
                if content.count < 1468 { finish(.success((bytes, repeated))) }
            case .error(let code, let why): finish(.failure(BootFailure(why: "TFTP error \(code): \(why)")))
            default: break
            }
        }

        private func send(_ context: ChannelHandlerContext, _ packet: TFTPPacket) {
            last = packet
            context.writeAndFlush(Self.wrapOutboundOut(AddressedEnvelope(remoteAddress: peer, data: context.channel.allocator.buffer(bytes: packet.bytes))), promise: nil)
            clock?.cancel()
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            clock = context.eventLoop.scheduleTask(in: .seconds(4)) {
                let (fetcher, context) = bound.value
                guard !fetcher.isOver else { return }
                fetcher.repeated += 1
                if fetcher.repeated > 6 { return fetcher.finish(.failure(BootFailure(why: "TFTP fell silent"))) }
                fetcher.send(context, fetcher.last)
            }
        }

        private func finish(_ result: Result<(bytes: Int, repeated: Int), BootFailure>) {
            guard !isOver else { return }
            isOver = true
            clock?.cancel()
            switch result {
            case .success(let value): promise.succeed(value)
            case .failure(let failure): promise.fail(failure)
            }
        }
    }
}
