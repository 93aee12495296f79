import Foundation
import Logging
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import Testing

@testable import GRPC

/// A client that asks for much, reads nothing and goes on talking.
@Suite struct FloodTests {
    /// Speaks HTTP/2's frames, and never reads.
    private func connect(_ port: Int) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.so_rcvbuf), value: 4096)
            .connect(host: "127.0.0.1", port: port).get()
    }

    private func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let size = payload.count
        let id = stream
        return [UInt8(size >> 16), UInt8(size >> 8 & 255), UInt8(size & 255), type, flags]
            + [UInt8(id >> 24), UInt8(id >> 16 & 255), UInt8(id >> 8 & 255), UInt8(id & 255)] + payload
    }

    private func call(_ stream: UInt32, _ method: String, _ body: [UInt8]) throws -> [UInt8] {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var buffer = ByteBuffer()
        try encoder.encode(
            headers: [":method": "POST", ":scheme": "http", ":path": method, ":authority": "a", "content-type": "application/grpc", "te": "trailers"],
            to: &buffer)
        let count = UInt32(body.count)
        let message = [0, UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)] + body
        var frames = frame(1, flags: 4, stream: stream, Array(buffer.readableBytesView))
        for start in Swift.stride(from: 0, to: message.count, by: 16_384) {
            let end = min(start + 16_384, message.count)
            frames += frame(0, flags: end == message.count ? 1 : 0, stream: stream, Array(message[start..<end]))
        }
        return frames
    }

    @Test func `one that does not read and sends pings and calls without end is closed, and nobody else notices`() async throws {
        let echo = EchoServer()
        let server = try PortServer(host: "127.0.0.1", port: 0, router: echo.router, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try await server.start()
        // Frames that are not data wait where the client does not read, 10,000 of them at most.
        for pings in [9_800, 12_000] {
            let flood = try await connect(port)
            // SETTINGS: a window of 2^31 − 1; WINDOW_UPDATE of the connection likewise.
            var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, [0, 4, 0x7F, 0xFF, 0xFF, 0xFF]) + frame(8, [0x7F, 0, 0, 0])
            // Within the windows that hold before the settings are agreed upon.
            let blob = [UInt8(10), 0xE0, 0xD4, 0x03] + [UInt8](repeating: 7, count: 60_000)
            for stream in 0..<110 { bytes += try call(UInt32(2 * stream + 1), "/test.Echo/Blob", blob) }
            for _ in 0..<pings { bytes += frame(6, [UInt8](repeating: 0, count: 8)) }
            for stream in 110..<310 { bytes += try call(UInt32(2 * stream + 1), "/test.Echo/Text", []) }
            // Lost when the server has closed already.
            try? await flood.writeAndFlush(ByteBuffer(bytes: bytes))
            for _ in 0..<500 where server.connections > 0 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(server.connections == 0, "the server has not closed the connection")
            try? await flood.close()
            let client = try await GRPCClient.connect(host: "127.0.0.1", port: port)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("still here"), within: .seconds(20))
            #expect(answer.value == "still here")
            await client.close()
        }
        await server.stop()
    }
}
