import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import NetBoot

@Suite(.timeLimit(.minutes(1))) struct `Artefacts with a URL` {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "plasma-fetched-\(UUID().uuidString)").path
    private let kernel = Array("a kernel".utf8)

    /// Answers on a port of the loopback while `body` runs.
    private func serving<T>(_ body: (String) async throws -> T) async throws -> T {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let kernel = kernel
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline().flatMapThrowing { try channel.pipeline.syncOperations.addHandler(Answers(kernel)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let value = try await body("http://127.0.0.1:\(server.localAddress?.port ?? 0)")
            try await server.close()
            return value
        } catch {
            try await server.close()
            throw error
        }
    }

    private func digest(_ bytes: [UInt8]) -> String { SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() }

    @Test(arguments: ["good", "moved"])
    func `a file with its digest lies in its place, whole`(path: String) async throws {
        let files = FetchedFiles(directory: directory)
        try await serving { base in
            let order = files.order("\(base)/\(path)", digest: digest(kernel), for: "kernel", of: "installer")
            try await files.fetch(order)
            #expect(files.mistake(in: order) == nil)
            #expect(FileManager.default.contents(atPath: order.path) == Data(kernel))
            #expect(files.leftovers(of: "installer", keeping: [order]) == [])
            #expect(files.leftovers(of: "installer", keeping: []) == [order.path])
            files.discard([order.path, "/etc/hostname"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
        }
    }

    @Test func `another file than the ordered one is not kept, and not fetched again at once`() async throws {
        let files = FetchedFiles(directory: directory)
        try await serving { base in
            let order = files.order("\(base)/good", digest: digest([]), for: "kernel", of: "installer")
            let failure = FetchedFiles.Failure.differs(order, actual: digest(kernel))
            await #expect(throws: failure) { try await files.fetch(order) }
            #expect(files.mistake(in: order) == failure)
            #expect(files.leftovers(of: "installer", keeping: []) == [])
            #expect(failure.description.hasPrefix("\(base)/good has the digest sha256:\(digest(kernel)), and sha256:\(digest([])) is expected"))
        }
    }

    @Test func `an answer that is none leaves nothing, and says why`() async throws {
        let files = FetchedFiles(directory: directory)
        try await serving { base in
            func why(_ path: String) async -> String {
                let order = files.order(path, digest: digest(kernel), for: "kernel", of: "installer")
                do {
                    try await files.fetch(order)
                    return "fetched"
                } catch {
                    #expect(files.mistake(in: order) == nil && files.leftovers(of: "installer", keeping: []) == [])
                    return "\(error)"
                }
            }
            #expect(await why("\(base)/gone") == "\(base)/gone answered 404 Not Found")
            #expect(await why("\(base)/broken").hasPrefix("\(base)/broken could not be fetched: "))
            #expect(await why("http://127.0.0.1:1/nobody").hasPrefix("http://127.0.0.1:1/nobody could not be fetched: "))
        }
    }

    @Test func `a fetch that is given up ends and leaves nothing`() async throws {
        let files = FetchedFiles(directory: directory)
        try await serving { base in
            let order = files.order("\(base)/endless", digest: digest(kernel), for: "kernel", of: "installer")
            let fetch = Task { try await files.fetch(order) }
            while files.leftovers(of: "installer", keeping: []) == [] { try await Task.sleep(for: .milliseconds(2)) }
            fetch.cancel()
            await #expect(throws: CancellationError.self) { try await fetch.value }
            #expect(files.leftovers(of: "installer", keeping: []) == [])
        }
    }

    private final class Answers: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let kernel: [UInt8]

        init(_ kernel: [UInt8]) { self.kernel = kernel }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = Self.unwrapInboundIn(data) else { return }
            var headers = HTTPHeaders([("content-length", String(kernel.count))])
            var status = HTTPResponseStatus.ok
            switch head.uri {
            case "/moved": (status, headers) = (.found, ["location": "/good", "content-length": "0"])
            case "/gone": (status, headers) = (.notFound, ["content-length": "0"])
            case "/broken", "/endless": headers = ["content-length": "100"]
            default: break
            }
            context.write(Self.wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
            if status == .ok { context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: kernel)))), promise: nil) }
            if ["/broken", "/endless"].contains(head.uri) {
                context.flush()
                if head.uri == "/broken" { context.close(promise: nil) }
            } else {
                context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
