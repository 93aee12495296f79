import Foundation
import NIOCore
import NIOPosix

/// Speaks to a server on this machine as plainly as can be.
enum LoopbackClient {
    struct Answer {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    static func http(_ port: Int, _ method: String = "GET", _ target: String, _ headers: [String] = []) async throws -> Answer {
        let request = (["\(method) \(target) HTTP/1.1", "Host: test", "Connection: close"] + headers).joined(separator: "\r\n") + "\r\n\r\n"
        return parse(try await exchange(port, request))
    }

    static func parse(_ bytes: [UInt8]) -> Answer {
        let end = bytes.indices.first { bytes[$0...].starts(with: [13, 10, 13, 10]) } ?? bytes.endIndex
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        let status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        let fields = lines.dropFirst().map { $0.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) } }
        let headers = Dictionary(fields.filter { $0.count == 2 }.map { ($0[0].lowercased(), $0[1]) }, uniquingKeysWith: { $1 })
        return Answer(status: status, headers: headers, body: Array(bytes[min(end + 4, bytes.count)...]))
    }

    /// - Parameter pause: called when the first bytes have come, before more are read.
    static func exchange(_ port: Int, _ request: String, pause: (@Sendable () throws -> Void)? = nil) async throws -> [UInt8] {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: [UInt8].self)
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.autoRead, value: pause == nil)
            .channelOption(.socketOption(.so_rcvbuf), value: 64 << 10)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(promise, pause)) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
        if pause != nil { channel.read() }
        return try await promise.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let promise: EventLoopPromise<[UInt8]>
        private let pause: (@Sendable () throws -> Void)?
        private var bytes: [UInt8] = []

        init(_ promise: EventLoopPromise<[UInt8]>, _ pause: (@Sendable () throws -> Void)?) {
            self.promise = promise
            self.pause = pause
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let isFirst = bytes.isEmpty
            bytes += Self.unwrapInboundIn(data).readableBytesView
            guard let pause, isFirst else { return }
            do { try pause() } catch { promise.fail(error) }
            context.channel.setOption(.autoRead, value: true).whenComplete { _ in }
        }

        func channelInactive(context: ChannelHandlerContext) { promise.succeed(bytes) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// Fetches a file by TFTP, a block at a time.
    static func tftp(_ port: Int, _ file: String) async throws -> [UInt8] {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: [UInt8].self)
        let channel = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Fetcher(promise)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let request: [UInt8] = [0, 1] + Array(file.utf8) + [0] + Array("octet".utf8) + [0]
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: request)))
        defer { channel.close(promise: nil) }
        return try await promise.futureResult.get()
    }

    struct Refused: Error, Equatable { var code: UInt8 }

    private final class Fetcher: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        private let promise: EventLoopPromise<[UInt8]>
        private var bytes: [UInt8] = []

        init(_ promise: EventLoopPromise<[UInt8]>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = Self.unwrapInboundIn(data)
            let packet = Array(envelope.data.readableBytesView)
            if packet[1] == 5 { return promise.fail(Refused(code: packet[3])) }
            bytes += packet[4...]
            let acknowledgement = ByteBuffer(bytes: [0, 4, packet[2], packet[3]])
            context.writeAndFlush(Self.wrapOutboundOut(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: acknowledgement)), promise: nil)
            if packet.count < 516 { promise.succeed(bytes) }
        }
    }
}
