import Foundation
import Logging
import NIOCore
import Testing

@testable import GRPC

/// A client that asks for much, reads nothing and goes on talking.
@Suite struct FloodTests {
    @Test func `one that does not read and sends pings and calls without end is closed, and nobody else notices`() async throws {
        let echo = EchoServer()
        let server = try PortServer(host: "127.0.0.1", port: 0, router: echo.router, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try await server.start()
        let ping = MuteClient.frame(6, [UInt8](repeating: 0, count: 8))
        // Half a minute's pings are 5,000; answers without a message wait where the client does not read, 10,000 of their frames at most.
        for what in ["pings", "answers"] {
            let flood = try await MuteClient.connect(port)
            var bytes = MuteClient.preface
            // Within the windows that hold before the settings are agreed upon.
            let blob = [UInt8(10), 0xE0, 0xD4, 0x03] + [UInt8](repeating: 7, count: 60_000)
            for stream in 0..<110 { bytes += try MuteClient.call(UInt32(2 * stream + 1), "/test.Echo/Blob", blob) }
            for number in 110..<12_110 { bytes += what == "pings" ? ping : try MuteClient.call(UInt32(2 * number + 1), "/test.Echo/Nope", []) }
            while server.connections == 0 { try await Task.sleep(for: .milliseconds(1)) }
            // Lost when the server has closed already.
            try? await flood.writeAndFlush(ByteBuffer(bytes: bytes))
            for _ in 0..<500 where server.connections > 0 { try await Task.sleep(for: .milliseconds(10)) }
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
