import Foundation
import NIOCore
import NIOHPACK
import NIOPosix
import Testing

@testable import GRPC

/// Clients that take what they asked for slowly, late, or not at all any more.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SlowClientTests {
    /// A socket with a small window, read by hand.
    private final class Hand: Sendable {
        private let descriptor: Int32

        init(_ port: Int) throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var size: Int32 = 4096, address = sockaddr_in()
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            try #require(connected == 0)
        }

        deinit { close(descriptor) }

        func write(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }

        /// nil: the other side has closed.
        func read() -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 64 << 10)
            let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            return count > 0 ? Array(bytes.prefix(count)) : nil
        }
    }

    /// On a thread of its own, as it blocks.
    private func byHand<T: Sendable>(_ port: Int, _ body: @escaping @Sendable (Hand) -> T) async throws -> T {
        let hand = try Hand(port)
        return await withCheckedContinuation { waiting in
            Thread.detachNewThread { waiting.resume(returning: body(hand)) }
        }
    }

    private static let large = [UInt8](repeating: 0x61, count: 32 << 20)

    private static let http: HTTPHandler = { request, reply in
        switch request.path {
        case "/large": reply.send(.ok, contentType: "text/plain", body: large)
        case "/small": reply.send(.ok, contentType: "text/plain", body: [0x61])
        case "/claimed": reply.send(.ok, contentType: "text/plain", body: Claimed())
        case "/claimed-later":
            reply.head(.ok)
            reply.write([0x61])
            reply.write(Claimed())
            reply.end()
        default: reply.notFound()
        }
    }

    /// As if it had more bytes than a buffer may.
    private struct Claimed: Sequence {
        var underestimatedCount: Int { 1 << 32 }
        func makeIterator() -> EmptyCollection<UInt8>.Iterator { EmptyCollection<UInt8>().makeIterator() }
    }

    @Test func `a page takes as long as its client reads, and the connection rests from its end`() async throws {
        var limits = Limits()
        limits.idleMax = .milliseconds(300)
        limits.stalledMax = .milliseconds(700)
        try await withServer(limits: limits, http: Self.http) { _, _, port in
            let (bytes, next) = try await byHand(port) { hand in
                hand.write(Array("GET /large HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
                // Nothing but the page has this letter in a row.
                var bytes = 0, last: [UInt8] = []
                while bytes < Self.large.count, let piece = hand.read() {
                    if bytes == 0, let end = String(decoding: piece.prefix(1000), as: UTF8.self).range(of: "\r\n\r\n") {
                        bytes -= String(decoding: piece.prefix(1000), as: UTF8.self)[..<end.upperBound].utf8.count
                    }
                    bytes += piece.count
                    usleep(200)
                }
                hand.write(Array("GET /small HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
                while let piece = hand.read() { last += piece }
                return (bytes, String(decoding: last, as: UTF8.self))
            }
            #expect(bytes == Self.large.count)
            // It was answered, and then closed.
            #expect(next.hasPrefix("HTTP/1.1 200 OK") && next.hasSuffix("\r\n\r\na"), "\(next)")
        }
    }

    @Test func `a page asked for while too much waits is refused once`() async throws {
        var limits = Limits()
        limits.unsentBytesOfAllMax = 4 << 20
        try await withServer(limits: limits, http: Self.http) { _, server, port in
            let healthy = try await connect(port)
            async let ended: Void = byHand(port) { hand in
                hand.write(Array("GET /large HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
                while !server.meters.unsent.isOver { usleep(1000) }
                hand.write(Array("GET /small HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
                // Time to be answered; it reads again when it has been let go of, or a little of it.
                usleep(300_000)
            }
            try await ended
            let answer: Text = try await healthy.unary("/test.Echo/Text", Text("x"), within: .seconds(20))
            #expect(answer.value == "x")
            await healthy.close()
        }
    }

    @Test func `an answer that no buffer can hold is an error of that request`() async throws {
        try await withServer(http: Self.http) { _, _, port in
            let whole = try await HTTPCall.send(.GET, url: "http://127.0.0.1:\(port)/claimed")
            #expect(whole.status == 500)
            #expect(String(decoding: whole.body, as: UTF8.self).contains("ask for less"))
            await #expect(throws: GRPCStatus.self) { _ = try await HTTPCall.send(.GET, url: "http://127.0.0.1:\(port)/claimed-later") }
            let next = try await HTTPCall.send(.GET, url: "http://127.0.0.1:\(port)/small")
            #expect(next.status == 200)
        }
    }

    /// (type, flags, stream) of each frame in the bytes; takes them.
    private static func frames(_ bytes: inout [UInt8]) -> [(type: UInt8, flags: UInt8, stream: UInt32)] {
        var found: [(type: UInt8, flags: UInt8, stream: UInt32)] = [], at = 0
        while bytes.count - at >= 9 {
            let size = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
            guard bytes.count - at >= 9 + size else { break }
            let stream = bytes[(at + 5)..<(at + 9)].reduce(0) { $0 << 8 | UInt32($1) }
            found.append((bytes[at + 3], bytes[at + 4], stream))
            at += 9 + size
        }
        bytes.removeFirst(at)
        return found
    }

    @Test func `thousands of answers at once wait for a client that reads late`() async throws {
        let calls = 20_000
        var limits = Limits()
        limits.headersWithin = .seconds(60)
        try await withServer(limits: limits) { _, _, port in
            let call = try MuteClient.call(1, "/test.Echo/Fail", Array(try Text(String(repeating: "x", count: 1_000)).serializedData()))
            let data = 9 + (Int(call[1]) << 8 | Int(call[2]))
            let ends = try await byHand(port) { hand in
                hand.write(MuteClient.preface)
                for number in 0..<calls {
                    var call = call
                    let stream = UInt32(2 * number + 1)
                    for (at, shift) in [(7, 8), (8, 0)] {
                        call[at] = UInt8(stream >> UInt32(shift) & 255)
                        call[data + at] = call[at]
                    }
                    hand.write(call)
                }
                sleep(1)
                var ends = 0, bytes: [UInt8] = []
                while ends < calls, let piece = hand.read() {
                    bytes += piece
                    ends += Self.frames(&bytes).count { $0.type == 1 && $0.flags & 1 != 0 }
                }
                return ends
            }
            #expect(ends == calls)
        }
    }

    private static func headers(_ stream: UInt32, ends: Bool, _ headers: HPACKHeaders) -> [UInt8] {
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator()), buffer = ByteBuffer()
        try? encoder.encode(headers: headers, to: &buffer)
        return MuteClient.frame(1, flags: ends ? 5 : 4, stream: stream, Array(buffer.readableBytesView))
    }

    @Test func `calls that are ended all at once leave their connection to the others`() async throws {
        let many = 40
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0) { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
        }
        let port = try #require(channel.channel.localAddress?.port)
        let (opened, mailbox) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await channel.executeThenClose { connections in
                    for try await connection in connections {
                        try await connection.executeThenClose { inbound, outbound in
                            try await outbound.write(ByteBuffer(bytes: MuteClient.frame(4, [])))
                            var bytes: [UInt8] = [], hasPreface = false
                            var begun: [UInt32] = [], reset: Set<UInt32> = []
                            for try await buffer in inbound {
                                bytes += Array(buffer.readableBytesView)
                                if !hasPreface, bytes.count >= 24 {
                                    bytes.removeFirst(24)
                                    hasPreface = true
                                }
                                guard hasPreface else { continue }
                                for frame in Self.frames(&bytes) {
                                    if frame.type == 4, frame.flags == 0 { try await outbound.write(ByteBuffer(bytes: MuteClient.frame(4, flags: 1, []))) }
                                    if frame.type == 1 { begun.append(frame.stream) }
                                    if frame.type == 3 { reset.insert(frame.stream) }
                                }
                                if begun.count == many + 1 { mailbox.yield() }
                                guard reset.count == many, let last = begun.first(where: { !reset.contains($0) }) else { continue }
                                // What was on its way to those that are ended; then the answer of the other.
                                var answer: [UInt8] = []
                                for stream in reset.sorted() { answer += Self.headers(stream, ends: true, [":status": "200", "content-type": "application/grpc", "grpc-status": "4"]) }
                                answer += Self.headers(last, ends: false, [":status": "200", "content-type": "application/grpc"])
                                answer += MuteClient.frame(0, stream: last, [0, 0, 0, 0, 3, 10, 1, 0x78]) + Self.headers(last, ends: true, ["grpc-status": "0"])
                                try await outbound.write(ByteBuffer(bytes: answer))
                            }
                        }
                        return
                    }
                }
            }
            let client = try await connect(port)
            var streams: [ClientStream<Text, Text>] = []
            for _ in 0..<many {
                let stream = client.stream("/test.Echo/Stream", sending: Text.self, receiving: Text.self)
                try await stream.send(Text("x"))
                streams.append(stream)
            }
            async let kept: Text = client.unary("/test.Echo/Text", Text("x"), within: .seconds(30))
            for await _ in opened { break }
            for stream in streams { stream.cancel() }
            #expect(try await kept.value == "x")
            #expect(client.isOpen)
            await client.close()
            group.cancelAll()
        }
    }

    @Test func `a stream on which nothing more comes ends when it is waited for no longer`() async throws {
        try await withServer { _, _, port in
            let client = try await connect(port)
            let stream = client.stream("/test.Echo/Stream", sending: Text.self, receiving: Text.self)
            try await stream.send(Text("x"))
            #expect(try await stream.next(within: .seconds(30))?.value == "x")
            do throws(GRPCStatus) {
                _ = try await stream.next(within: .milliseconds(50))
                Issue.record("something came")
            } catch {
                #expect(error.code == .deadlineExceeded)
            }
            await client.close()
        }
    }
}
