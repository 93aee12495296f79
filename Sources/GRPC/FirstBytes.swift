import Bytes
import NIOCore
import NIOHTTP1
import NIOSSL

/// Looks at the first bytes of a connection: HTTP/2 begins with a fixed preface (RFC 9113 §3.4), HTTP/1.1 with a method in
/// capital letters; anything else is closed at once. Then it makes place for who understands them.
final class FirstBytes: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let router: Router
    private let http: HTTPHandler
    private let limits: Limits
    private let meters: PortMeters
    private let tls: ServerTLSSource?
    private var seen = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var isDone = false

    init(router: Router, http: @escaping HTTPHandler, limits: Limits, meters: PortMeters, tls: ServerTLSSource? = nil) {
        self.router = router
        self.http = http
        self.limits = limits
        self.meters = meters
        self.tls = tls
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.headersWithin)) {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        // Who looked whether somebody listens, or went away, has said nothing wrong.
        case is IOError, NIOSSLError.uncleanShutdown, NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])): break
        case NIOSSLError.handshakeFailed(let why):
            meters.garbage.increment()
            tls?.noteRefusal(of: address(context), "\(why)")
        default: meters.garbage.increment()
        }
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is PortStopping { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if seen.readableBytes == 0 { seen = buffer } else { seen.writeImmutableBuffer(buffer) }
        guard !isDone else { return }
        let bytes = seen.readableBytesView
        if bytes.starts(with: HTTP2.preface) {
            begin(context) { try self.addHTTP2(context) }
        } else if HTTP2.preface.starts(with: bytes) {
            return
        } else if bytes.prefix(3).allSatisfy({ $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }) {
            begin(context) { try self.addHTTP1(context) }
        } else {
            isDone = true
            meters.garbage.increment()
            context.close(promise: nil)
        }
    }

    private func begin(_ context: ChannelHandlerContext, _ add: () throws -> Void) {
        isDone = true
        if let tls, context.pipeline.syncOperations.shows(someoneOf: tls.revoked) {
            meters.refused.increment()
            tls.noteRefusal(of: address(context), "its certificate was revoked")
            return context.close(promise: nil)
        }
        do { try add() } catch { return context.close(promise: nil) }
        let buffer = seen
        seen = ByteBuffer()
        context.fireChannelRead(wrapInboundOut(buffer))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func addHTTP2(_ context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        let peer = peer(context)
        try pipeline.addHandler(ServerConnection(router: router.seen(by: peer), limits: limits, peer: peer, meters: meters))
    }

    private func addHTTP1(_ context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = 16 * 1024
        decoding.maxHeaderListSize = 64 * 1024
        decoding.maxHeaderFieldCount = 100
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding),
                // Who asks for another protocol is not read any further, and what it sends all the same is kept nowhere.
                maximumBufferSize: 2 * decoding.maxHeaderListSize))
        try pipeline.addHandler(HTTPConnection(http: http, limits: limits, peer: peer(context), meters: meters))
    }

    private func address(_ context: ChannelHandlerContext) -> String {
        context.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" } ?? ""
    }

    private func peer(_ context: ChannelHandlerContext) -> Peer {
        let certificate = context.pipeline.syncOperations.peerCertificate
        return Peer(address: address(context), commonName: certificate?.commonName, isCertified: certificate != nil)
    }
}

extension ChannelPipeline.SynchronousOperations {
    /// What the other side showed; nil where it showed none, or none that can be read.
    var peerCertificate: CertificateFields? { shown.flatMap { try? $0.toDERBytes() }.flatMap { CertificateFields(der: $0) } }

    /// Whether the other side shows a certificate that is named; one that cannot be read could be.
    func shows(someoneOf lists: RevocationLists) -> Bool {
        guard lists.count > 0, shown != nil else { return false }
        return peerCertificate.map(lists.name) ?? true
    }

    private var shown: NIOSSLCertificate? {
        (try? handler(type: NIOSSLServerHandler.self))?.peerCertificate ?? (try? handler(type: NIOSSLClientHandler.self))?.peerCertificate
    }
}
