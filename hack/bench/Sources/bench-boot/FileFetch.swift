import Crypto
import Foundation
import NIOCore
import NIOPosix

/// One file by HTTP over a connection of its own.
enum FileFetch {
    struct File: Sendable {
        var bytes = 0
        var text = ""
        var digest = ""
    }

    static func run(_ group: any EventLoopGroup, from address: String, server: String, _ method: String, _ target: String, digests: Bool) async throws -> File {
        let loop = group.next()
        let promise = loop.makePromise(of: File.self)
        let request = "\(method) \(target) HTTP/1.1\r\nHost: boot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(.seconds(20))
                .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(promise, digests)) } }
                .bind(to: try SocketAddress(ipAddress: address, port: 0))
                .connect(host: server, port: 8080).get()
            channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
        } catch {
            promise.fail(error)
        }
        return try await promise.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let promise: EventLoopPromise<File>
        private let digests: Bool
        private var head: [UInt8] = []
        private var expected: Int?
        private var file = File()
        private var hash = SHA256()

        init(_ promise: EventLoopPromise<File>, _ digests: Bool) {
            self.promise = promise
            self.digests = digests
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var buffer = Self.unwrapInboundIn(data)
            if expected == nil {
                while expected == nil, let byte = buffer.readInteger(as: UInt8.self) {
                    head.append(byte)
                    if head.suffix(4) == [13, 10, 13, 10] { expected = length() }
                }
            }
            guard expected != nil else { return }
            file.bytes += buffer.readableBytes
            if digests {
                hash.update(data: Data(buffer.readableBytesView))
                if file.bytes <= 4096 { file.text += String(decoding: buffer.readableBytesView, as: UTF8.self) }
            }
        }

        /// nil: no answer that means success.
        private func length() -> Int {
            let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
            guard lines[0].hasPrefix("HTTP/1.1 200") else { return -1 }
            let field = lines.first { $0.lowercased().hasPrefix("content-length:") }
            return field.flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        }

        func channelInactive(context: ChannelHandlerContext) {
            guard let expected, expected == file.bytes else {
                return promise.fail(BootFailure(why: "an answer of \(file.bytes) of \(expected ?? 0) bytes: \(String(decoding: head.prefix(60), as: UTF8.self))"))
            }
            file.digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
            promise.succeed(file)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}
