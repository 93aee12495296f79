import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One GET over a connection of its own.
package enum HTTPProbe {
    /// More of an answer is not kept.
    package static let bytesMax = 64 << 10

    package struct Answer: Hashable, Sendable {
        package var status: Int
        package var body: [UInt8]
        /// The leaf of an https server.
        package var served: ServedCertificate?
        /// There was more than `bytesMax`.
        package var isTruncated: Bool
    }

    /// - Parameters:
    ///   - trust: nil speaks plain HTTP.
    ///   - now: to say how long ago a certificate expired.
    package static func get(
        _ path: String, at address: ProbeAddress, trust: ProbeTrust?, within limit: Duration, now: Date
    ) async throws(ProbeFailure) -> Answer {
        try await send(.GET, path, at: address, trust: trust, within: limit, now: now)
    }

    /// One request of any method.
    static func send(
        _ method: HTTPMethod, _ path: String, at address: ProbeAddress, body: [UInt8] = [], headers: [(String, String)] = [],
        trust: ProbeTrust?, within limit: Duration, now: Date
    ) async throws(ProbeFailure) -> Answer {
        let context = try trust?.context(["http/1.1"])
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
        head.headers.add(name: "host", value: "\(address)")
        head.headers.add(name: "connection", value: "close")
        head.headers.add(name: "user-agent", value: "plasma-probe")
        for (name, value) in headers { head.headers.add(name: name, value: value) }
        if method != .GET { head.headers.add(name: "content-length", value: String(body.count)) }
        let request = (head: head, body: body)
        do throws(ProbeFailure) {
            return try await Dial.run(address, within: limit) { channel, promise in
                let pipeline = channel.pipeline.syncOperations
                if let context { try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: Dial.serverName(address.host))) }
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(Exchange(request.head, request.body, promise))
            }
        } catch {
            guard error.category == .certificate, trust != nil else { throw error }
            // Says what is wrong with it, where it can be seen.
            let served: ServedCertificate?
            do throws(ProbeFailure) { served = try await Dial.present(address, within: limit) } catch { served = nil }
            throw served?.problem(at: now).map { ProbeFailure(.certificate, $0) } ?? error
        }
    }

    /// What a probe says of an answer: 200 to 399 is well.
    package static func judge(_ answer: Answer) throws(ProbeFailure) {
        guard !(200..<400).contains(answer.status) else { return }
        let text = String(decoding: answer.body.prefix(200), as: UTF8.self)
            .split(whereSeparator: \.isNewline).first.map { ": " + $0.trimmingCharacters(in: .whitespaces) } ?? ""
        throw ProbeFailure(.status, "HTTP \(answer.status)\(String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.map(Character.init)))")
    }

    private final class Exchange: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias OutboundOut = HTTPClientRequestPart

        private let head: HTTPRequestHead
        private let body: [UInt8]
        private let promise: EventLoopPromise<Answer>
        private var answer = Answer(status: 0, body: [], served: nil, isTruncated: false)

        init(_ head: HTTPRequestHead, _ body: [UInt8], _ promise: EventLoopPromise<Answer>) {
            self.head = head
            self.body = body
            self.promise = promise
        }

        func channelActive(context: ChannelHandlerContext) {
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: body)))), promise: nil) }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            context.fireChannelActive()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                answer.status = Int(head.status.code)
                answer.served = ServedCertificate((try? context.pipeline.syncOperations.nioSSL_peerCertificate()) ?? nil)
            case .body(let buffer):
                let room = bytesMax - answer.body.count
                answer.body.append(contentsOf: buffer.readableBytesView.prefix(room))
                if buffer.readableBytes > room {
                    answer.isTruncated = true
                    promise.succeed(answer)
                    context.close(promise: nil)
                }
            case .end:
                promise.succeed(answer)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(ProbeFailure(.closed, "the connection was closed before the answer was whole"))
            context.fireChannelInactive()
        }
    }
}
