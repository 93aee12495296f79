import Foundation
import Host
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import NetBoot

/// One connection, its clock and its client in the test's hand.
@Suite struct HTTPHandlerTests {
    /// Takes what it is sent only when it is told to.
    private final class Client: ChannelOutboundHandler {
        typealias OutboundIn = IOData
        var takesAtOnce = false
        private(set) var waiting: [(bytes: [UInt8], taken: EventLoopPromise<Void>?)] = []
        private var taken: [UInt8] = []

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            guard case .byteBuffer(let bytes) = Self.unwrapOutboundIn(data) else { return }
            waiting.append((Array(bytes.readableBytesView), promise))
            if takesAtOnce { take() }
        }

        func flush(context: ChannelHandlerContext) {}

        func take() {
            let now = waiting
            waiting = []
            for (bytes, promise) in now {
                taken += bytes
                promise?.succeed()
            }
        }

        /// What it took since it was asked last.
        func answers() -> [UInt8] {
            defer { taken = [] }
            return taken
        }
    }

    private final class Scene {
        let directory = FileManager.default.temporaryDirectory.appending(path: "plasma-http-\(UUID().uuidString)")
        let loader = (0..<(5 * HTTPHandler.pieceBytes / 2)).map { UInt8(truncatingIfNeeded: $0 >> 10) }
        let segment: BootSegment
        let client = Client()
        let channel: EmbeddedChannel

        init() throws {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data(loader).write(to: directory.appending(path: "ipxe.efi"))
            segment = BootSegment(
                service(), loaders: Loaders(in: [directory.path]), artefacts: PinnedFiles(), book: noBook(), time: SystemTime(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, tell: { _ in })
            channel = EmbeddedChannel(handler: client)
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
            try channel.pipeline.syncOperations.addHandler(HTTPHandler(segment))
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func ask(_ target: String, times: Int = 1) throws {
            try channel.writeInbound(ByteBuffer(string: String(repeating: "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n", count: times)))
        }

        func take() {
            client.take()
            channel.embeddedEventLoop.run()
        }

        deinit { try? FileManager.default.removeItem(at: directory) }
    }

    @Test func `ten thousand requests that wait for one are answered from no deeper stack than one`() throws {
        let scene = try Scene()
        try scene.ask("/loaders/ipxe.efi")
        try scene.ask("/nothing", times: 10_000)
        #expect(String(decoding: scene.client.answers(), as: UTF8.self).isEmpty)
        scene.client.takesAtOnce = true
        scene.take()
        let heads = String(decoding: scene.client.answers(), as: UTF8.self).components(separatedBy: "HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
        #expect(heads.count == 10_001)
        #expect(heads.first == "200" && heads.dropFirst().allSatisfy { $0 == "404" })
        #expect(scene.channel.isActive)
    }

    @Test func `of answers that nobody takes no more than a piece waits`() throws {
        let scene = try Scene()
        try scene.ask("/loaders/ipxe.efi", times: 50)
        var answers: [UInt8] = []
        for _ in 0..<(50 * 3) {
            let bytes = scene.client.waiting.reduce(0) { $0 + $1.bytes.count }
            #expect(bytes > 0 && bytes <= HTTPHandler.pieceBytes + 1024)
            scene.take()
            answers += scene.client.answers()
        }
        #expect(scene.client.waiting.isEmpty)
        #expect(answers.count > 50 * scene.loader.count)
        #expect(answers.suffix(scene.loader.count) == scene.loader[...])
    }

    @Test func `a client has its time for each piece, and for its next request from the end of the answer`() throws {
        let scene = try Scene(), loop = scene.channel.embeddedEventLoop
        try scene.ask("/loaders/ipxe.efi")
        for _ in 0..<3 {
            loop.advanceTime(by: .seconds(29))
            scene.take()
        }
        // One that follows at once is not measured by the end of the one before it.
        try scene.ask("/nothing", times: 2)
        loop.advanceTime(by: .seconds(29))
        scene.take()
        loop.advanceTime(by: .seconds(29))
        #expect(scene.channel.isActive)
        scene.take()
        loop.advanceTime(by: .seconds(19))
        #expect(scene.channel.isActive)
        loop.advanceTime(by: .seconds(2))
        #expect(!scene.channel.isActive)
        let slow = try Scene()
        try slow.ask("/loaders/ipxe.efi")
        slow.take()
        slow.channel.embeddedEventLoop.advanceTime(by: .seconds(31))
        #expect(!slow.channel.isActive)
    }

    @Test func `a client of HTTP 1.0 is kept only when it wants that, and is told`() throws {
        let scene = try Scene()
        scene.client.takesAtOnce = true
        for isKept in [true, false] {
            try scene.channel.writeInbound(ByteBuffer(string: "GET /nothing HTTP/1.0\r\n\(isKept ? "Connection: keep-alive\r\n" : "")\r\n"))
            scene.channel.embeddedEventLoop.run()
            let answer = LoopbackClient.parse(scene.client.answers())
            #expect((answer.status, answer.headers["connection"]) == (404, isKept ? "keep-alive" : "close"))
            #expect(scene.channel.isActive == isKept)
        }
    }

    /// One that may be used from any thread.
    private func connection(to segment: BootSegment) async throws -> NIOAsyncTestingChannel {
        let channel = try await NIOAsyncTestingChannel { channel in
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
            try channel.pipeline.syncOperations.addHandler(HTTPHandler(segment))
        }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
        return channel
    }

    private func answer(_ channel: NIOAsyncTestingChannel) async throws -> LoopbackClient.Answer {
        await channel.testingEventLoop.run()
        var bytes: [UInt8] = []
        while case .byteBuffer(let part)? = try await channel.readOutbound(as: IOData.self) { bytes += part.readableBytesView }
        return LoopbackClient.parse(bytes)
    }

    @Test func `when nothing is served any more idle connections end, and a request that is half there is the last`() async throws {
        let scene = try Scene()
        let idle = try await connection(to: scene.segment), busy = try await connection(to: scene.segment)
        try await idle.writeInbound(ByteBuffer(string: "GET /authorized_keys HTTP/1.1\r\nHost: x\r\n\r\n"))
        let served = try await answer(idle)
        #expect(served.status == 200 && idle.isActive)
        try await busy.writeInbound(ByteBuffer(string: "POST /progress?mac=52:54:00:00:01:01&phase=installer HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"))
        await scene.segment.stop()
        await idle.testingEventLoop.run()
        #expect(!idle.isActive)
        try await busy.writeInbound(ByteBuffer(string: "x"))
        let refused = try await answer(busy)
        #expect((refused.status, refused.headers["connection"]) == (503, "close"))
        #expect(!busy.isActive)
        #expect(scene.segment.sight.machines.isEmpty)
    }
}
