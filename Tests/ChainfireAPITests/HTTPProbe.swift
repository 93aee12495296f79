import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// A small HTTP/1.1 client: one connection per request.
struct HTTPProbe: Sendable {
    struct Answer: Sendable {
        var status = 0
        var headers: [String: String] = [:]
        var body = ""

        /// The body as a JSON value; nil when it is none.
        var json: NSObject? {
            (try? JSONSerialization.jsonObject(with: Data(body.utf8), options: .fragmentsAllowed)) as? NSObject
        }
        var lines: [String] { body.split(separator: "\n").map(String.init) }
    }

    let port: Int

    func get(_ path: String, _ headers: [String: String] = [:]) async throws -> Answer { try await send(.GET, path, "", headers) }
    func post(_ path: String, _ body: String, _ headers: [String: String] = [:]) async throws -> Answer {
        try await send(.POST, path, body, headers)
    }

    /// - Parameter lines: nil waits for the answer's end; otherwise the connection is closed after so many lines.
    func send(
        _ method: HTTPMethod, _ path: String, _ body: String, _ headers: [String: String] = [:], lines: Int? = nil
    ) async throws -> Answer {
        let promise = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Answer.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(Collector(promise, lines: lines))
                    }
                }
                .connect(host: "127.0.0.1", port: port).get()
        } catch {
            promise.fail(error)
            throw error
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: ["host": "127.0.0.1"])
        for (name, value) in headers { head.headers.add(name: name, value: value) }
        if !body.isEmpty || method == .POST || method == .PUT { head.headers.add(name: "content-length", value: String(body.utf8.count)) }
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        if !body.isEmpty { channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(string: body))), promise: nil) }
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        let deadline = channel.eventLoop.scheduleTask(in: .seconds(20)) { promise.fail(ChannelError.connectTimeout(.seconds(20))) }
        defer {
            deadline.cancel()
            channel.close(promise: nil)
        }
        return try await promise.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        private let promise: EventLoopPromise<Answer>
        private let lines: Int?
        private var answer = Answer()

        init(_ promise: EventLoopPromise<Answer>, lines: Int?) {
            self.promise = promise
            self.lines = lines
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                answer.status = Int(head.status.code)
                for header in head.headers { answer.headers[header.name.lowercased()] = header.value }
            case .body(let buffer):
                answer.body += String(buffer: buffer)
                if let lines, answer.body.utf8.count(where: { $0 == UInt8(ascii: "\n") }) >= lines { promise.succeed(answer) }
            case .end: promise.succeed(answer)
            }
        }

        func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
    }
}

extension HTTPProbe {
    /// Sends bytes that are no request, and returns when the server has closed the connection.
    func throwBytes(_ bytes: [UInt8]) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port).get()
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        let deadline = channel.eventLoop.scheduleTask(in: .seconds(20)) { channel.close(promise: nil) }
        try await channel.closeFuture.get()
        deadline.cancel()
    }
}
