import Foundation
import Logging
import NIOCore
import Testing

@testable import GRPC

/// A client that asks for much, reads nothing and goes on talking.
@Suite struct FloodTests {
    @Test func `one that does not read and sends pings and calls without end is closed, and nobody else notices`() async throws {
        let echo = EchoServer()
        var limits = Limits()
        (limits.unsentBytesMax, limits.overfullMax) = (1 << 20, .seconds(1))
        let server = try PortServer(host: "127.0.0.1", port: 0, router: echo.router, limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try await server.start()
        let ping = MuteClient.frame(6, [UInt8](repeating: 0, count: 8))
        let nope = try MuteClient.call(1, "/test.Echo/Nope", [])
        let data = 9 + (Int(nope[1]) << 8 | Int(nope[2]))
        // Half a minute's pings are 5,000. Answers without a message wait as bytes where the client does not read, however small they are.
        for what in ["pings", "answers"] {
            let flood = try await MuteClient.connect(port)
            var bytes = MuteClient.preface
            // Within the windows that hold before the settings are agreed upon.
            let blob = [UInt8(10), 0xE0, 0xD4, 0x03] + [UInt8](repeating: 7, count: 60_000)
            if what == "pings" {
                for stream in 0..<110 { bytes += try MuteClient.call(UInt32(2 * stream + 1), "/test.Echo/Blob", blob) }
                for _ in 0..<12_000 { bytes += ping }
            } else {
                for number in 0..<80_000 {
                    var call = nope
                    for (at, shift) in [(6, 16), (7, 8), (8, 0)] {
                        call[at] = UInt8((2 * number + 1) >> shift & 255)
                        call[data + at] = call[at]
                    }
                    bytes += call
                }
            }
            while server.connections == 0 { try await Task.sleep(for: .milliseconds(1)) }
            // Lost when the server has closed already.
            try? await flood.writeAndFlush(ByteBuffer(bytes: bytes))
            for _ in 0..<3000 where server.connections > 0 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(server.connections == 0, "the server has not closed the connection of \(what)")
            try? await flood.close()
            let client = try await GRPCClient.connect(host: "127.0.0.1", port: port)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("still here"), within: .seconds(20))
            #expect(answer.value == "still here")
            await client.close()
        }
        await server.stop()
    }
}
