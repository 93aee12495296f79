import Bytes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS

/// One HTTP/1.1 request over a connection of its own.
package enum HTTPCall {
    private static let answerBytesMax = 8 << 20

    package struct Answer: Sendable {
        package var status: Int
        package var headers: HTTPHeaders
        package var body: [UInt8]
    }

    /// - Parameters:
    ///   - url: `http://host:port/path?query`, or `https`.
    ///   - timeout: of all of it.
    /// - Throws: `.invalidArgument` for a URL or certificates that cannot be used, `.unavailable` naming the address,
    ///   `.deadlineExceeded`, `.resourceExhausted` for an answer of more than 8 MiB.
    package static func send(
        _ method: HTTPMethod, url: String, body: [UInt8] = [], headers: [(String, String)] = [], tls: ClientTLS? = nil,
        timeout: Duration = .seconds(10)
    ) async throws(GRPCStatus) -> Answer {
        let place = try Place(url)
        var security: Security?
        if place.isSecure {
            let tls = tls ?? ClientTLS()
            do throws(PortError) {
                let (context, name) = try tls.forConnection(to: place.host, protocols: ["http/1.1"])
                security = Security(context: context, name: name, revoked: try tls.readRevoked())
            } catch {
                throw GRPCStatus(.invalidArgument, "\(error)", isUnsent: true)
            }
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: place.target)
        head.headers.add(name: "host", value: place.authority)
        for (name, value) in headers { head.headers.add(name: name, value: value) }
        head.headers.replaceOrAdd(name: "content-length", value: String(body.count))
        head.headers.replaceOrAdd(name: "connection", value: "close")
        return try await run(head, body, place, security, timeout)
    }

    private struct Security {
        var context: NIOSSLContext
        var name: String?
        var revoked: RevocationLists
    }

    private static func run(
        _ head: HTTPRequestHead, _ body: [UInt8], _ place: Place, _ security: Security?, _ timeout: Duration
    ) async throws(GRPCStatus) -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: Answer.self)
        // Whether anything of the request left: before that, it may be sent elsewhere.
        let isSent = NIOLoopBoundBox.makeBoxSendingValue(false, eventLoop: loop)
        let connectWithin = min(timeout, .seconds(5))
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(TimeAmount(connectWithin)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                if let security {
                    try pipeline.addHandler(NIOSSLClientHandler(context: security.context, serverHostname: security.name))
                }
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(Exchange(head, body, bytesMax: answerBytesMax, promise, isSent, revoked: security?.revoked))
            }
        }
        let late = loop.scheduleTask(in: TimeAmount(timeout)) {
            promise.fail(GRPCStatus(.deadlineExceeded, "\(place.authority) did not answer in \(timeout)", isUnsent: !isSent.value))
        }
        defer { late.cancel() }
        let connecting = bootstrap.connect(host: place.host, port: place.port)
        connecting.whenFailure { error in
            promise.fail(GRPCStatus(.unavailable, "cannot reach \(place.authority): \(error)", isUnsent: true))
        }
        promise.futureResult.whenComplete { _ in connecting.whenSuccess { $0.close(promise: nil) } }
        do {
            return try await promise.futureResult.get()
        } catch let status as GRPCStatus {
            throw status
        } catch {
            let isUnsent = (try? await loop.submit { !isSent.value }.get()) ?? false
            throw GRPCStatus(.unavailable, "cannot reach \(place.authority): \(error)", isUnsent: isUnsent)
        }
    }

    /// The parts of a URL that matter.
    private struct Place {
        var isSecure: Bool
        var host: String
        var port: Int
        var target: String
        var authority: String

        init(_ url: String) throws(GRPCStatus) {
            let bad = GRPCStatus(.invalidArgument, "\(url.debugDescription) is not a URL such as https://host:2379/path", isUnsent: true)
            let rest: Substring
            if url.hasPrefix("https://") {
                (isSecure, rest) = (true, url.dropFirst("https://".count))
            } else if url.hasPrefix("http://") {
                (isSecure, rest) = (false, url.dropFirst("http://".count))
            } else {
                throw bad
            }
            let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) ?? rest.endIndex
            authority = String(rest[..<end])
            target = end == rest.endIndex ? "/" : rest[end] == "?" ? "/" + rest[end...] : String(rest[end...])
            guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw bad }
            var name = authority[...]
            port = isSecure ? 443 : 80
            if let colon = name.lastIndex(of: ":"), name.last != "]" {
                guard let number = Int(name[name.index(after: colon)...]), 1...65535 ~= number else { throw bad }
                port = number
                name = name[..<colon]
            }
            if name.first == "[" && name.last == "]" { name = name.dropFirst().dropLast() }
            guard !name.isEmpty else { throw bad }
            host = String(name)
        }
    }
}

/// Sends the request when connected, over TLS when it is known to whom, and collects the answer.
private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let body: [UInt8]
    private let bytesMax: Int
    private let promise: EventLoopPromise<HTTPCall.Answer>
    private let isSent: NIOLoopBoundBox<Bool>
    /// nil: nobody shows a certificate.
    private let revoked: RevocationLists?
    private var answer = HTTPCall.Answer(status: 0, headers: [:], body: [])

    init(_ head: HTTPRequestHead, _ body: [UInt8], bytesMax: Int, _ promise: EventLoopPromise<HTTPCall.Answer>, _ isSent: NIOLoopBoundBox<Bool>, revoked: RevocationLists?) {
        self.head = head
        self.body = body
        self.bytesMax = bytesMax
        self.promise = promise
        self.isSent = isSent
        self.revoked = revoked
    }

    func channelActive(context: ChannelHandlerContext) {
        if revoked == nil { send(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let revoked, case .handshakeCompleted? = event as? TLSUserEvent {
            if context.pipeline.syncOperations.shows(someoneOf: revoked) {
                promise.fail(GRPCStatus(.unavailable, "the server's certificate was revoked", isUnsent: true))
                context.close(promise: nil)
            } else {
                send(context)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func send(_ context: ChannelHandlerContext) {
        isSent.value = true
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            answer.status = Int(head.status.code)
            answer.headers = head.headers
        case .body(let buffer):
            buffer.withUnsafeReadableBytes { answer.body.append(contentsOf: $0) }
            if answer.body.count > bytesMax {
                promise.fail(GRPCStatus(.resourceExhausted, "the answer is larger than \(bytesMax) bytes"))
                context.close(promise: nil)
            }
        case .end: promise.succeed(answer)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(GRPCStatus(.unavailable, "the connection was closed before the answer was whole", isUnsent: !isSent.value))
        context.fireChannelInactive()
    }
}
