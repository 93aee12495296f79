import Host
import NIOCore
import NIOHTTP1

/// Answers one connection, a request at a time.
final class HTTPHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let segment: BootSegment
    private var head: HTTPRequestHead?
    private var bodyBytes = 0
    private var deadline: Scheduled<Void>?
    private var isCounted = false
    /// Whose request is in hand, as far as that is known, and since when; nil when its answer has begun.
    private var asking: (mac: HardwareAddress?, since: Instant)?
    /// From a whole request to the end of its answer.
    private var isAnswering = false

    private enum Body {
        case bytes([UInt8])
        case file(ServedFile)
    }

    /// For a whole request to arrive, the wait for it on a kept connection included.
    private static let requestTime = TimeAmount.seconds(20)
    /// For one piece of a response to be read and taken: slower clients than 10 kB/s are let go.
    private static let pieceTime = TimeAmount.seconds(30)
    static let pieceBytes = 256 << 10
    private static let bodyBytesMax = 64 << 10

    init(_ segment: BootSegment) { self.segment = segment }

    func handlerAdded(context: ChannelHandlerContext) {
        isCounted = segment.enter(context.channel)
        guard isCounted else { return context.close(promise: nil) }
        expect(context, within: Self.requestTime)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        if isCounted { segment.leave(context.channel) }
        isCounted = false
    }

    /// Closes the connection unless the next step comes in time.
    private func expect(_ context: ChannelHandlerContext, within time: TimeAmount) {
        deadline?.cancel()
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: time) { bound.value.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > Self.bodyBytesMax { context.close(promise: nil) }
        case .end:
            guard let head else { return }
            self.head = nil
            isAnswering = true
            asking = (nil, segment.time.now())
            respond(context, head)
        }
    }

    private func respond(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        guard !segment.isStopped else { return answer(context, head, .serviceUnavailable, "Nothing is served here any more.\n") }
        let service = segment.service
        let from = context.remoteAddress?.address4
        switch BootPath.read(head.method.rawValue, head.uri) {
        case .failure(.notFound): answer(context, head, .notFound, "There is no such file.\n")
        case .failure(.bad(let why)): answer(context, head, .badRequest, why + "\n")
        case .failure(.notAllowed(let methods)): answer(context, head, .methodNotAllowed, "", [("Allow", methods)])
        case .success(.script(let named)):
            let mac = segment.mac(named: named, at: from)
            asking?.mac = mac
            if head.method == .GET { segment.note(.ipxe, of: mac) }
            answer(context, head, .ok, BootScript.text(for: mac.flatMap { service.machine($0) }, mac: mac, in: service))
        case .success(.authorizedKeys):
            answer(context, head, .ok, service.authorizedKeys.map { $0 + "\n" }.joined())
        case .success(.progress(let named, let phase)):
            guard service.machine(named) != nil || service.servesUnknown else { return answer(context, head, .forbidden, "This machine is not known here.\n") }
            segment.note(phase, of: named)
            answer(context, head, .ok, "")
        case .success(.loader(let name)):
            guard let content = segment.loader(name) else { return answer(context, head, .notFound, "The boot server has none, or not the one that it should have.\n") }
            if head.method == .GET { segment.note(.http, of: segment.mac(named: nil, at: from)) }
            answer(context, head, .ok, bytes: content, type: "application/octet-stream")
        case .success(.artefact(let digest, let part, let named)):
            let artefact = part == .kernel ? service.kernel : service.initrd
            guard let artefact, artefact.digest == digest else { return answer(context, head, .notFound, "That is not what is served now.\n") }
            serve(context, head, artefact, part, segment.mac(named: named, at: from))
        }
    }

    private func serve(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ artefact: PinnedFile, _ part: BootPath.Part, _ mac: HardwareAddress?) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        asking?.mac = mac
        // A file that has changed is read again whole before a byte of it goes out.
        expect(context, within: .seconds(300))
        segment.artefacts.open(artefact, on: context.eventLoop).assumeIsolated().whenComplete { result in
            let context = bound.value
            guard context.channel.isActive else { return }
            guard case .success(let file) = result else {
                let why = "it is gone, has another digest, or its file system does not answer"
                self.segment.logger.warning("not served: \(why)", metadata: ["path": "\(artefact.path)"])
                self.segment.artefactFailed()
                return self.answer(context, head, .serviceUnavailable, "Not served: \(why).\n")
            }
            let range: Range<Int>
            var headers: [(String, String)] = [("ETag", "\"\(artefact.digest)\""), ("Accept-Ranges", "bytes")]
            var status = HTTPResponseStatus.ok
            switch ByteRange(head.method == .GET ? head.headers.first(name: "Range") : nil, of: file.size) {
            case .whole: range = 0..<file.size
            case .part(let part):
                range = part
                status = .partialContent
                headers.append(("Content-Range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.size)"))
            case .unsatisfiable:
                return self.answer(context, head, .rangeNotSatisfiable, "", [("Content-Range", "bytes */\(file.size)")])
            }
            if head.method == .GET, range.lowerBound == 0 { self.segment.note(part == .kernel ? .kernel : .initrd, of: mac) }
            self.begin(context, head, status, range.count, "application/octet-stream", headers)
            self.send(bound, head, .file(file), head.method == .HEAD ? 0..<0 : range)
        }
    }

    /// Piece by piece, each once the client took the one before it: however little it reads, no more of an answer waits for it here. What has no
    /// bytes is one piece, too, which is taken with the head.
    private func send(_ bound: NIOLoopBound<ChannelHandlerContext>, _ head: HTTPRequestHead, _ body: Body, _ range: Range<Int>) {
        let loop = bound.value.eventLoop
        expect(bound.value, within: Self.pieceTime)
        let piece = range.lowerBound..<min(range.upperBound, range.lowerBound + Self.pieceBytes)
        let rest = piece.upperBound..<range.upperBound
        let bytes =
            switch body {
            case .bytes(let bytes): loop.makeSucceededFuture(ByteBuffer(bytes: bytes[piece]))
            case .file(let file): file.read(piece, on: loop)
            }
        bytes.assumeIsolated().whenComplete { result in
            guard case .success(let bytes) = result else {
                self.segment.artefactFailed()
                // Less than was announced: the client knows that it does not have it.
                return bound.value.close(promise: nil)
            }
            self.write(bound, bytes) { rest.isEmpty ? self.end(bound, head) : self.send(bound, head, body, rest) }
        }
    }

    /// - Parameter next: called once it was taken, and never from here: the end of an answer brings the next request, and thousands may be waiting.
    private func write(_ bound: NIOLoopBound<ChannelHandlerContext>, _ bytes: ByteBuffer, then next: @escaping () -> Void) {
        let loop = bound.value.eventLoop, taken = loop.makePromise(of: Void.self)
        bound.value.writeAndFlush(Self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: taken)
        taken.futureResult.assumeIsolated().whenComplete { result in
            guard case .success = result else { return bound.value.close(promise: nil) }
            loop.assumeIsolated().execute { if bound.value.channel.isActive { next() } }
        }
    }

    private func answer(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ status: HTTPResponseStatus, _ text: String, _ headers: [(String, String)] = []
    ) {
        answer(context, head, status, bytes: Array(text.utf8), type: "text/plain; charset=utf-8", headers)
    }

    private func answer(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ status: HTTPResponseStatus, bytes: [UInt8], type: String,
        _ headers: [(String, String)] = []
    ) {
        begin(context, head, status, bytes.count, type, headers)
        send(NIOLoopBound(context, eventLoop: context.eventLoop), head, .bytes(bytes), head.method == .HEAD ? 0..<0 : bytes.indices)
    }

    private func begin(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ status: HTTPResponseStatus, _ count: Int, _ type: String, _ headers: [(String, String)]
    ) {
        var fields = HTTPHeaders([("Content-Length", String(count)), ("Content-Type", type)] + headers)
        if !isKept(head) {
            fields.add(name: "Connection", value: "close")
        } else if head.version == .http1_0 {
            fields.add(name: "Connection", value: "keep-alive")
        }
        context.write(Self.wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: fields))), promise: nil)
        if let asking { segment.noteAnswer(to: asking.mac, since: asking.since) }
        asking = nil
    }

    private func isKept(_ head: HTTPRequestHead) -> Bool { head.isKeepAlive && !segment.isStopped }

    private func end(_ bound: NIOLoopBound<ChannelHandlerContext>, _ head: HTTPRequestHead) {
        guard isKept(head) else { return bound.value.close(promise: nil) }
        isAnswering = false
        bound.value.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        // With it the next request may have come.
        if !isAnswering { expect(bound.value, within: Self.requestTime) }
    }

    /// What is no request is told in its turn; that more came after it comes before that.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { if !isAnswering { context.close(promise: nil) } }
}
