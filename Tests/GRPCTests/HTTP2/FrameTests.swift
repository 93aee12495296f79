import Foundation
import NIOCore
import SwiftProtobuf
import Testing

@testable import GRPC

extension [UInt8] {
    fileprivate func chunked(_ size: Int) -> [[UInt8]] { stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) } }
}

/// The server's side of HTTP/2, frame by frame (RFC 9113).
@Suite(.serialized, .timeLimit(.minutes(2))) struct FrameTests {
    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }
    private static func windowUpdate(_ stream: UInt32, _ more: UInt32) -> [UInt8] { MuteClient.frame(8, stream: stream, bytes(more)) }
    private static func setting(_ name: UInt8, _ value: UInt32) -> [UInt8] { [0, name] + bytes(value) }
    private static let ping = MuteClient.frame(6, [1, 2, 3, 4, 5, 6, 7, 8])

    /// A text as a message.
    private static func text(_ text: String) -> [UInt8] { [10, UInt8(text.utf8.count)] + Array(text.utf8) }

    /// Runs `body` with a client of its own on a thread of its own.
    private func withFrames(
        limits: Limits = Limits(), settings: [UInt8] = [], _ body: @escaping @Sendable (FrameClient) throws -> Void
    ) async throws {
        try await withServer(limits: limits) { _, _, port in
            try await onThread { try body(try FrameClient(port, settings: settings)) }
            // Nobody else is harmed.
            let client = try await connect(port)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"), within: .seconds(20))
            #expect(answer.value == "x")
            await client.close()
        }
    }

    @Test func `a call is answered, and frames of the connection are`() async throws {
        try await withFrames { client in
            let settings = try client.next(4)
            #expect(settings?.flags == 0)
            #expect(try client.next(4) == .init(type: 4, flags: 1, stream: 0, content: []))
            client.send(Self.ping + MuteClient.frame(2, stream: 1, [0, 0, 0, 0, 9]) + MuteClient.frame(99, [1, 2]))
            #expect(try client.next(6) == .init(type: 6, flags: 1, stream: 0, content: [1, 2, 3, 4, 5, 6, 7, 8]))
            for stream: UInt32 in [1, 3, 9] {
                try client.call(stream, "/test.Echo/Text", Self.text("hello"))
                let answer = try client.answer(stream)
                #expect(answer.message == Self.text("hello") && answer.status == "0")
            }
            // Padded, in pieces, and ended by trailers.
            try client.call(11, "/test.Echo/Text")
            let message = FrameClient.framed(Self.text("pieces"))
            client.send(MuteClient.frame(0, flags: 8, stream: 11, [4] + message[..<3] + [0, 0, 0, 0]) + MuteClient.frame(0, stream: 11, Array(message[3...])))
            client.send(MuteClient.frame(1, flags: 5, stream: 11, [0, 1, 0x78, 1, 0x79]))
            #expect(try client.answer(11).message == Self.text("pieces"))
        }
    }

    @Test(arguments: [
        (windowUpdate(0, 0), HTTP2Code.protocolError), (windowUpdate(0, 0x7FFF_FFFF), .flowControlError),
        (windowUpdate(7, 1), .protocolError), (windowUpdate(2, 1), .protocolError),
        (MuteClient.frame(0, stream: 7, [1]), .protocolError), (MuteClient.frame(3, stream: 7, [0, 0, 0, 0]), .protocolError),
        (MuteClient.frame(1, flags: 5, stream: 2, [0x83]), .protocolError), (MuteClient.frame(1, flags: 5, stream: 7, [0x80]), .compressionError),
        (MuteClient.frame(4, setting(2, 2)), .protocolError), (MuteClient.frame(4, setting(4, 0x8000_0000)), .flowControlError),
        (MuteClient.frame(4, setting(5, 16_383)), .protocolError), (MuteClient.frame(4, setting(5, 16_777_216)), .protocolError),
        (MuteClient.frame(5, flags: 4, stream: 1, [0, 0, 0, 2]), .protocolError), (MuteClient.frame(6, [1]), .frameSizeError),
        ((0..<5_010).flatMap { _ in ping }, .enhanceYourCalm), ((0..<5_010).flatMap { _ in MuteClient.frame(4) }, .enhanceYourCalm),
        ((0..<5_010).flatMap { _ in MuteClient.frame(2, stream: 1, [0, 0, 0, 0, 9]) }, .enhanceYourCalm),
    ]) func `what a connection may not do ends it with its code`(_ bytes: [UInt8], _ code: HTTP2Code) async throws {
        try await withFrames { client in
            try client.call(1, "/test.Echo/Never", Self.text("x"))
            // One answer is good for one ping.
            try client.call(3, "/test.Echo/Text", Self.text("x"))
            #expect(try client.answer(3).status == "0")
            client.send(bytes)
            let farewell = try client.next(7)
            #expect(farewell?.code == code && [3, 7].contains(farewell?.content[3]))
            #expect(try client.next() == nil)
        }
    }

    @Test func `what a stream may not do ends it, and not the connection`() async throws {
        try await withFrames { client in
            func resets(_ stream: UInt32, _ code: HTTP2Code, _ body: () throws -> Void) throws {
                try body()
                let reset = try client.next(3, stream)
                #expect(reset?.code == code)
            }
            try resets(1, .protocolError) { try client.call(1, "/test.Echo/Text", more: [("Upper", "x")]) }
            try resets(3, .protocolError) {
                try client.call(3, "/test.Echo/Stream")
                client.send(Self.windowUpdate(3, 0))
            }
            try resets(5, .flowControlError) {
                try client.call(5, "/test.Echo/Stream")
                client.send(Self.windowUpdate(5, 0x7FFF_FFFF))
            }
            try resets(7, .streamClosed) {
                try client.call(7, "/test.Echo/Never", Self.text("x"))
                client.send(MuteClient.frame(0, stream: 7, [1]))
            }
            // Trailers that do not end it.
            try resets(9, .protocolError) {
                try client.call(9, "/test.Echo/Stream")
                client.send(MuteClient.frame(1, flags: 4, stream: 9, [0, 1, 0x78, 1, 0x79]))
            }
            // Trailers that are none.
            try resets(15, .protocolError) {
                try client.call(15, "/test.Echo/Stream")
                client.send(MuteClient.frame(1, flags: 5, stream: 15, [0x83]))
            }
            // Data beyond what was announced, less of it, none.
            let five = FrameClient.framed(Self.text(""))
            try resets(17, .protocolError) {
                try client.call(17, "/test.Echo/Stream", more: [("content-length", "\(five.count - 1)")])
                client.send(MuteClient.frame(0, stream: 17, five))
            }
            try resets(19, .protocolError) {
                try client.call(19, "/test.Echo/Stream", more: [("content-length", "\(five.count + 1)")])
                client.send(MuteClient.frame(0, flags: 1, stream: 19, five))
            }
            try resets(21, .protocolError) {
                try client.call(21, "/test.Echo/Stream", more: [("content-length", "\(five.count + 1)")])
                client.send(MuteClient.frame(0, stream: 21, five) + MuteClient.frame(1, flags: 5, stream: 21, [0, 1, 0x78, 1, 0x79]))
            }
            // A method that does not exist, of a client that goes on sending: answered, and told to stop.
            try client.call(27, "/test.Echo/Nope")
            #expect(try client.answer(27).status == "12")
            #expect(try client.next(3, 27)?.code == .noError)
            client.send(MuteClient.frame(0, flags: 1, stream: 27, [1, 2, 3]))
            let on = Self.text("on")
            try client.call(29, "/test.Echo/Text", on, more: [("content-length", "\(FrameClient.framed(on).count)")])
            #expect(try client.answer(29).message == on)
            // More headers than it was told.
            try client.call(31, "/test.Echo/Text", on, more: [("x", String(repeating: "x", count: RequestHeaders.listBytesMax))])
            #expect(try client.answer(31).status == "8")
            try client.call(33, "/test.Echo/Text", on)
            #expect(try client.answer(33).message == on)
        }
    }

    @Test(arguments: [[1, 0, 0, 0, 0], [0, 0xFF, 0xFF, 0xFF, 0xFF]]) func `who is served by a stream hears of its end, whatever the client did wrong`(_ bytes: [UInt8]) async throws {
        try await withServer { echo, _, port in
            try await onThread {
                let client = try FrameClient(port)
                try client.call(1, "/test.Echo/Stream")
                client.send(MuteClient.frame(0, stream: 1, bytes))
                #expect(try ["8", "12"].contains(client.answer(1).status))
            }
            await echo.noticed { $0.cancelled == ["stream"] }
        }
    }

    @Test func `more calls at once than allowed are refused`() async throws {
        var limits = Limits()
        limits.streamsMax = 2
        try await withFrames(limits: limits) { client in
            for stream: UInt32 in [1, 3, 5] { try client.call(stream, "/test.Echo/Never", Self.text("x")) }
            #expect(try client.next(3)?.stream == 5)
            client.send(MuteClient.frame(3, stream: 1, [0, 0, 0, 8]))
            try client.call(7, "/test.Echo/Text", Self.text("room"))
            #expect(try client.answer(7).message == Self.text("room"))
        }
    }

    @Test func `no more is sent than the windows allow, and what waits goes on when they open`() async throws {
        // Five bytes of each stream.
        try await withFrames(settings: Self.setting(4, 5)) { client in
            let text = Self.text("0123456789")
            for stream: UInt32 in [1, 3] { try client.call(stream, "/test.Echo/Text", text) }
            var seen: [UInt32: [UInt8]] = [:]
            /// Data until a ping comes back: nothing more is under way then.
            func data() throws {
                client.send(Self.ping)
                while let frame = try client.next(), frame.type != 6 {
                    if frame.type == 0 { seen[frame.stream, default: []] += frame.content }
                    #expect(frame.type > 1 || frame.flags & 1 == 0, "ended before all was sent")
                }
            }
            // The server may not have drained yet; at most that comes.
            for _ in 0..<20 where seen[3]?.count != 5 { try data() }
            #expect(seen.mapValues(\.count) == [1: 5, 3: 5])
            client.send(Self.windowUpdate(1, 3))
            try data()
            #expect(seen.mapValues(\.count) == [1: 8, 3: 5])
            // Smaller for all: what was sent already counts.
            client.send(MuteClient.frame(4, Self.setting(4, 1)) + Self.windowUpdate(1, 4) + Self.windowUpdate(3, 4))
            try data()
            #expect(seen.mapValues(\.count) == [1: 8, 3: 5])
            client.send(MuteClient.frame(4, Self.setting(4, 2)))
            try data()
            #expect(seen.mapValues(\.count) == [1: 9, 3: 6])
            client.send(MuteClient.frame(4, Self.setting(4, 100)))
            var ended = 0
            while ended < 2, let frame = try client.next() {
                if frame.type == 0 { seen[frame.stream, default: []] += frame.content }
                if frame.type == 1, frame.flags & 1 == 1 { ended += 1 }
            }
            #expect(seen == [1: FrameClient.framed(text), 3: FrameClient.framed(text)])
        }
    }

    @Test func `streams that wait for the connection's window take turns`() async throws {
        // All of every stream, and the connection's 65,535 bytes.
        try await withFrames(settings: Self.setting(4, 0x7FFF_FFFF)) { client in
            // Three megabytes each.
            for stream: UInt32 in [1, 3, 5] { try client.call(stream, "/test.Echo/Large", [8, 0x80, 0x80, 0xC0, 1]) }
            var counts: [UInt32: Int] = [:], ended = 0
            while counts.values.reduce(0, +) < 65_535, let frame = try client.next(0) { counts[frame.stream, default: 0] += frame.content.count }
            client.send(Self.ping)
            while let frame = try client.next(), frame.type != 6 { #expect(frame.type != 0, "more than the window") }
            client.send(Self.windowUpdate(0, 65_535))
            var largest = 0
            while ended < 3, let frame = try client.next() {
                if frame.type == 0 {
                    counts[frame.stream, default: 0] += frame.content.count
                    client.send(Self.windowUpdate(0, UInt32(frame.content.count)))
                    let (least, most) = ([1, 3, 5].map { counts[$0] ?? 0 }.min() ?? 0, counts.values.max() ?? 0)
                    if ended == 0 { largest = max(largest, most - least) }
                }
                if frame.type == 1, frame.flags & 1 == 1 { ended += 1 }
            }
            #expect(counts.values.allSatisfy { $0 > 3 << 20 } && counts.count == 3)
            // What the socket held already aside, none is ahead of another by more than a few turns.
            #expect(largest < 1 << 20)
        }
    }

    @Test func `small answers do not overtake a large one that waits for the connection's window`() async throws {
        try await withFrames(settings: Self.setting(4, 0x7FFF_FFFF)) { client in
            try client.call(1, "/test.Echo/Large", [8, 0x80, 0x80, 0xC0, 1])
            var large = 0
            while large < 65_535, let frame = try client.next(0) { large += frame.content.count }
            let before = large
            for call: UInt32 in 1...50 {
                // Each time, and read together with the call, as much room as the small answer needs.
                client.send(try MuteClient.call(2 * call + 1, "/test.Echo/Text", Self.text("x")) + Self.windowUpdate(0, 8))
                guard let frame = try client.next(0) else { break }
                if frame.stream == 1 { large += frame.content.count }
            }
            #expect(large > before)
        }
    }

    @Test func `settings that change a window for thousands of streams again and again are an attack`() async throws {
        try await withFrames { client in
            for call: UInt32 in 0..<4_000 { try client.call(2 * call + 1, "/test.Echo/Stream") }
            // Within one frame only the last counts.
            for _ in 0..<20 { client.send(MuteClient.frame(4, (0..<2_000).flatMap { Self.setting(4, $0 % 2 == 0 ? 70_000 : 65_535) })) }
            client.send(Self.ping)
            #expect(try client.next(6) != nil)
            for number: UInt32 in 0..<100 { client.send(MuteClient.frame(4, Self.setting(4, 70_000 + number))) }
            #expect(try client.next(7)?.code == .enhanceYourCalm)
        }
    }

    @Test func `a call that asks for what is not there is not told at length what that was`() async throws {
        try await withFrames { client in
            try client.call(1, "/" + String(repeating: "x", count: 5_000) + "/y")
            let answer = try #require(try client.next(1, 1))
            #expect(try client.headers(answer).first(name: "grpc-status") == "12" && answer.content.count < 600)
            try client.call(3, "/test.Echo/Text", more: [("grpc-timeout", "5x")])
            #expect(try client.answer(3).status == "13")
        }
    }

    /// Nothing but the preface; half a frame's head; a header block without its end, and half a continuation of it.
    @Test(arguments: [[], [0, 0], MuteClient.frame(1, stream: 1, [0x83]), MuteClient.frame(1, stream: 1) + [0, 0, 9]])
    func `a client that begins and does not go on is closed`(_ bytes: [UInt8]) async throws {
        var limits = Limits()
        limits.headersWithin = .milliseconds(100)
        try await withServer(limits: limits) { _, server, port in
            let idle = try await connect(port)
            let mute = try await MuteClient.connect(port)
            while server.connections < 2 { try await Task.sleep(for: .milliseconds(1)) }
            try await mute.writeAndFlush(ByteBuffer(bytes: HTTP2.preface))
            if !bytes.isEmpty {
                // Long after its beginning.
                try await mute.writeAndFlush(ByteBuffer(bytes: MuteClient.frame(4)))
                try await Task.sleep(for: .milliseconds(250))
                #expect(server.connections == 2)
                try await mute.writeAndFlush(ByteBuffer(bytes: bytes))
            }
            for _ in 0..<1_000 where server.connections > 1 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(server.connections == 1)
            try? await mute.close()
            // One that has said all it began stays, and one that takes its time with data.
            try await Task.sleep(for: .milliseconds(300))
            let answer: Text = try await idle.unary("/test.Echo/Text", Text("x"), within: .seconds(20))
            #expect(answer.value == "x" && idle.isOpen)
            await idle.close()
        }
    }

    @Test func `a call may take its time with its data`() async throws {
        var limits = Limits()
        limits.headersWithin = .milliseconds(50)
        try await withFrames(limits: limits) { client in
            try client.call(1, "/test.Echo/Text")
            for piece in MuteClient.frame(0, flags: 1, stream: 1, FrameClient.framed(Self.text("slow"))).chunked(9) {
                client.send(piece)
                usleep(150_000)
            }
            #expect(try client.answer(1).message == Self.text("slow"))
        }
    }

    @Test func `a client may ping after every answer, as Go's do, for as long as it likes`() async throws {
        try await withFrames { client in
            for call: UInt32 in 0..<6_000 {
                try client.call(2 * call + 1, "/test.Echo/Text", Self.text("x"))
                guard try client.next(0) != nil else { break }
                client.send(Self.ping)
            }
            try client.call(20_001, "/test.Echo/Text", Self.text("still"))
            #expect(try client.answer(20_001).message == Self.text("still"))
        }
    }

    @Test func `calls that are cancelled at once, again and again, end the connection`() async throws {
        try await withFrames { client in
            for call: UInt32 in 0..<20_010 {
                try client.call(2 * call + 1, "/test.Echo/Stream")
                client.send(MuteClient.frame(3, stream: 2 * call + 1, [0, 0, 0, 8]))
            }
            #expect(try client.next(7)?.code == .enhanceYourCalm)
        }
    }

    @Test func `data without end for calls that have ended ends the connection`() async throws {
        try await withFrames { client in
            try client.call(1, "/test.Echo/Nope")
            #expect(try client.answer(1).status == "12")
            let junk = MuteClient.frame(0, stream: 1, [UInt8](repeating: 1, count: 16_384))
            for _ in 0..<200 { client.send(junk) }
            #expect(try client.next(7)?.code == .enhanceYourCalm)
        }
    }

    @Test func `more data than a stream's window ends the connection`() async throws {
        var limits = Limits()
        limits.streamWindowBytes = 100
        try await withFrames(limits: limits) { client in
            try client.call(1, "/test.Echo/Stream")
            client.send(MuteClient.frame(0, stream: 1, [UInt8](repeating: 0, count: 300)))
            #expect(try client.next(7)?.code == .flowControlError)
        }
    }

    @Test func `a client that is done before the end of its call was written is not told to stop sending`() async throws {
        try await withFrames(settings: Self.setting(4, 0)) { client in
            try client.call(1, "/test.Echo/Stream")
            // An echo that waits for the window, and then what ends the call.
            client.send(MuteClient.frame(0, stream: 1, FrameClient.framed(Self.text("x")) + [1, 0, 0, 0, 0]))
            client.send(Self.ping)
            #expect(try client.next(6) != nil)
            client.send(MuteClient.frame(0, flags: 1, stream: 1) + Self.windowUpdate(1, 1_000))
            #expect(try client.answer(1).status == "12")
            client.send(Self.ping)
            while let frame = try client.next(), frame.type != 6 { #expect(frame.type != 3) }
        }
    }

    @Test func `a client that goes away is closed when its calls are answered`() async throws {
        try await withFrames { client in
            try client.call(1, "/test.Echo/Late", [])
            client.send(MuteClient.frame(7, [UInt8](repeating: 0, count: 8)))
            #expect(try client.answer(1).status == "0")
            #expect(try client.next() == nil)
        }
    }

    @Test func `a deadline of the headers ends a call while its client waits`() async throws {
        try await withFrames { client in
            try client.call(1, "/test.Echo/Never", Self.text("x"), more: [("grpc-timeout", "20m")])
            #expect(try client.answer(1).status == "4")
        }
    }
}
