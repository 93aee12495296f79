import Foundation
import NIOCore
import SwiftProtobuf
import Testing

@testable import GRPC

@Suite(.serialized, .timeLimit(.minutes(2))) struct StreamTests {
    @Test func `a stream answers message by message and ends well`() async throws {
        try await withServer { echo, _, port in
            let client = try await connect(port)
            let stream = client.stream("/test.Echo/Stream", sending: Blob.self, receiving: Blob.self)
            for size in [0, 5, 100_000, 3 << 19] {
                let blob = Blob(Data(repeating: 9, count: size))
                try await stream.send(blob)
                let answer = try await stream.next()
                #expect(answer == blob)
            }
            stream.halfClose()
            let end = try await stream.next()
            #expect(end == nil)
            let ended = echo.notes.withLock { $0.ended }
            #expect(ended == ["stream"])
        }
    }

    @Test func `a hundred streams at once keep their order`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let stream = client.stream("/test.Echo/Stream", sending: Blob.self, receiving: Blob.self)
                        for place in 0..<30 { try await stream.send(Blob(Data([UInt8(number), UInt8(place)]))) }
                        stream.halfClose()
                        var seen: [Blob] = []
                        for try await blob in stream { seen.append(blob) }
                        #expect(seen == (0..<30).map { Blob(Data([UInt8(number), UInt8($0)])) })
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// The connection has the message in its hands then, and closing it at once took its streams from under it.
    @Test func `a stream that is let go of at a message, and with it the client, ends nothing else`() async throws {
        func read(_ port: Int, messages: Int) async throws {
            let stream = try await connect(port).stream("/test.Echo/Burst", sending: Blob.self, receiving: Blob.self)
            try await stream.send(Blob())
            for _ in 0..<messages { _ = try await stream.next() }
        }
        try await withServer { _, _, port in
            for round in 0..<40 { try await read(port, messages: 1 + round % 7) }
        }
    }

    @Test func `a stream that is cancelled, or let go of, is cancelled at the server`() async throws {
        try await withServer { echo, _, port in
            let client = try await connect(port)
            let stream = client.stream("/test.Echo/Stream", sending: Blob.self, receiving: Blob.self)
            try await stream.send(Blob())
            _ = try await stream.next()
            stream.cancel()
            let error = await #expect(throws: GRPCStatus.self) { try await stream.next() }
            #expect(error?.code == .cancelled)
            await echo.noticed { $0.cancelled == ["stream"] }
            do {
                let short = client.stream("/test.Echo/Stream", sending: Blob.self, receiving: Blob.self)
                try await short.send(Blob())
                _ = try await short.next()
            }
            await echo.noticed { $0.cancelled == ["stream", "stream"] }
        }
    }

    @Test func `a slow reader stops being fed, and is fed on when it reads`() async throws {
        try await withServer { echo, _, port in
            let client = try await connect(port)
            let stream = client.stream("/test.Echo/Flood", sending: Blob.self, receiving: Blob.self)
            try await stream.send(Blob())
            // The window of 1 MiB and 256 KiB of the call: then nothing more is taken from the handler.
            await echo.noticed { $0.floodSent >= 16 }
            var sent = 0
            repeat {
                sent = echo.notes.withLock { $0.floodSent }
                // Other calls of the connection are not held up.
                for _ in 0..<50 { _ = try await client.unary("/test.Echo/Text", Text("x"), as: Text.self) }
            } while echo.notes.withLock { $0.floodSent } != sent
            #expect(sent <= 24)
            for _ in 0..<200 { _ = try await stream.next() }
            let now = echo.notes.withLock { $0.floodSent }
            #expect(now >= 200 && now <= 224)
            stream.cancel()
            await echo.noticed { $0.cancelled == ["flood"] }
        }
    }

    @Test func `a server that stops ends streams, lets unary calls finish, and refuses new ones`() async throws {
        var limits = Limits()
        limits.stopping = GRPCStatus(.unavailable, "etcdserver: server stopped")
        limits.stopWithin = .milliseconds(200)
        try await withServer(limits: limits) { echo, server, port in
            let client = try await connect(port)
            let stream = client.stream("/test.Echo/Stream", sending: Blob.self, receiving: Blob.self)
            try await stream.send(Blob())
            _ = try await stream.next()
            let waiting = Task { try await client.unary("/test.Echo/Never", Text("f"), as: Text.self) }
            await echo.noticed { $0.calls.contains("f") }
            async let stopped: Void = server.stop()
            await #expect(throws: GRPCStatus(.unavailable, "etcdserver: server stopped")) { try await stream.next() }
            let late = await #expect(throws: GRPCStatus.self) {
                try await client.unary("/test.Echo/Text", Text("g"), as: Text.self)
            }
            #expect(late?.isUnsent == true)
            // It never ends by itself: closed after `stopWithin`.
            let cut = await #expect(throws: GRPCStatus.self) { _ = try await waiting.value }
            #expect(cut?.code == .unavailable)
            await stopped
            #expect(server.connections == 0)
        }
    }
}
