import Causes
import NIOCore
import NIOHPACK
import NIOPosix
import NIOSSL
import SwiftProtobuf
import Synchronization

/// A client of one server, over one or more connections. It does not reconnect: when `isOpen` is false, make a new one.
package final class GRPCClient: Sendable {
    package struct Options: Sendable {
        package var connections = 1
        package var connectWithin: Duration = .seconds(3)
        package var receiveBytesMax = Int(Int32.max)
        package var streamWindowBytes = 1 << 20
        package var connectionWindowBytes = 16 << 20
        /// Streams wait with sending above this.
        package var congestedBytes = 8 << 20
        /// A silent server is pinged so often while something is waited for, and given up when it does not answer
        /// until the next. etcd refuses more than one in five seconds.
        package var pingEvery: Duration = .seconds(10)

        package init() {}
    }
    private struct Link {
        var channel: any Channel
        var outbox: Outbox<ClientCall.Item>
    }
    private let links: [Link]
    private let turn = Atomic(0)
    private let authority: String
    private let scheme: String

    private init(links: [Link], authority: String, scheme: String) {
        self.links = links
        self.authority = authority
        self.scheme = scheme
    }

    /// Its last user may be the connection itself, in the middle of handing it a message: it is closed in a turn of its own.
    deinit { for link in links { link.channel.eventLoop.execute { [channel = link.channel] in channel.close(promise: nil) } } }

    /// - Throws: `.unavailable` when the server cannot be reached or does not speak HTTP/2, `.invalidArgument` for
    ///   certificates that cannot be used; always `isUnsent`.
    package static func connect(
        host: String, port: Int, tls: ClientTLS? = nil, options: Options = Options(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(GRPCStatus) -> GRPCClient {
        var security: (context: NIOSSLContext, name: String?)?
        do throws(PortError) {
            security = try tls?.forConnection(to: host, protocols: ["h2"])
        } catch {
            throw GRPCStatus(.invalidArgument, "\(error)", isUnsent: true)
        }
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var links: [Link] = []
        do {
            for _ in 0..<max(1, options.connections) {
                links.append(try await link(host, port, security, options, group))
            }
        } catch {
            for link in links { link.channel.close(promise: nil) }
            throw GRPCStatus(.unavailable, "cannot connect to \(name): \(explain(error, host: host))", isUnsent: true)
        }
        return GRPCClient(links: links, authority: tls?.serverName ?? name, scheme: tls == nil ? "http" : "https")
    }

    private static func link(
        _ host: String, _ port: Int, _ security: (context: NIOSSLContext, name: String?)?, _ options: Options,
        _ group: any EventLoopGroup
    ) async throws -> Link {
        let loop = group.next()
        let ready = loop.makePromise(of: Void.self)
        let made = Mutex<Outbox<ClientCall.Item>?>(nil)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .connectTimeout(TimeAmount(options.connectWithin))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        if let (context, name) = security {
                            try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
                        }
                        let connection = ClientConnection.make(options, loop: channel.eventLoop, ready: ready)
                        try pipeline.addHandler(ClientConnection.http2(options))
                        try pipeline.addHandler(connection)
                        made.withLock { $0 = connection.outbox }
                    }
                }
                .connect(host: host, port: port).get()
        } catch {
            ready.fail(error)
            throw error
        }
        do {
            try await ready.futureResult.get()
        } catch {
            channel.close(promise: nil)
            throw error
        }
        guard let outbox = made.withLock({ $0 }) else { preconditionFailure("a connected channel was not initialized") }
        return Link(channel: channel, outbox: outbox)
    }

    /// Whether at least one connection is there.
    package var isOpen: Bool { links.contains { !$0.outbox.isClosed } }

    package func close() async {
        for link in links { try? await link.channel.close() }
    }

    private func nextOutbox() -> Outbox<ClientCall.Item> {
        guard links.count > 1 else { return links[0].outbox }
        let place = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        for offset in 0..<links.count {
            let outbox = links[(place &+ offset) % links.count].outbox
            if !outbox.isClosed { return outbox }
        }
        return links[0].outbox
    }

    private func headers(_ method: String, _ metadata: [(String, String)], _ within: Duration?) -> HPACKHeaders {
        var headers: HPACKHeaders = [
            ":method": "POST", ":scheme": scheme, ":path": method, ":authority": authority, "content-type": "application/grpc",
            "te": "trailers",
        ]
        if let within { headers.add(name: "grpc-timeout", value: TimeoutText.encode(within), indexing: .nonIndexable) }
        for (name, value) in metadata { headers.add(name: name, value: value) }
        return headers
    }

    private static let closed = GRPCStatus(.unavailable, "the connection is closed", isUnsent: true)

    /// A unary call. `answer` is called once, on the connection's event loop, and must not block.
    package func unary<Request: Message, Response: Message>(
        _ method: String, _ request: Request, metadata: [(String, String)] = [], within: Duration? = nil,
        _ answer: @escaping @Sendable (Result<Response, GRPCStatus>) -> Void
    ) {
        start(method, request, metadata, within, answer)
    }

    @discardableResult
    private func start<Request: Message, Response: Message>(
        _ method: String, _ request: Request, _ metadata: [(String, String)], _ within: Duration?,
        _ answer: @escaping @Sendable (Result<Response, GRPCStatus>) -> Void
    ) -> (call: ClientCall, outbox: Outbox<ClientCall.Item>)? {
        let framed: ByteBuffer
        do throws(GRPCStatus) { framed = try FramedMessage.encode(request) } catch {
            answer(.failure(error))
            return nil
        }
        let sink = ClientCall.Sink.unary { result in
            switch result {
            case .success(let payload):
                do throws(GRPCStatus) { answer(.success(try payload.decoded())) } catch { answer(.failure(error)) }
            case .failure(let status): answer(.failure(status))
            }
        }
        let call = ClientCall(sink: sink, deadline: within.map { .now() + TimeAmount($0) })
        let outbox = nextOutbox()
        let item = ClientCall.Item.open(call, headers(method, metadata, within), message: framed)
        if !outbox.append(item, bytes: framed.readableBytes) { call.end(Self.closed) }
        return (call, outbox)
    }

    /// A unary call; a cancelled task cancels it.
    package func unary<Request: Message, Response: Message>(
        _ method: String, _ request: Request, metadata: [(String, String)] = [], within: Duration? = nil,
        as: Response.Type = Response.self
    ) async throws(GRPCStatus) -> Response {
        let started = Mutex<(call: ClientCall, outbox: Outbox<ClientCall.Item>)?>(nil)
        let result: Result<Response, GRPCStatus> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let call = start(method, request, metadata, within) { continuation.resume(returning: $0) }
                started.withLock { $0 = call }
                if Task.isCancelled, let call { Self.cancel(call) }
            }
        } onCancel: {
            if let call = started.withLock({ $0 }) { Self.cancel(call) }
        }
        return try result.get()
    }

    private static func cancel(_ started: (call: ClientCall, outbox: Outbox<ClientCall.Item>)) {
        started.call.cancel()
        started.outbox.append(.cancel(started.call), bytes: 0)
    }

    /// Begins a streaming call. It ends when its last user lets go of it.
    package func stream<Request: Message, Response: Message>(
        _ method: String, metadata: [(String, String)] = [], within: Duration? = nil, sending: Request.Type = Request.self,
        receiving: Response.Type = Response.self
    ) -> ClientStream<Request, Response> {
        let outbox = nextOutbox()
        let stream = ClientStream<Request, Response>(outbox: outbox, client: self)
        let sink = ClientCall.Sink.stream(
            message: { [weak stream] in stream?.received($0) }, end: { [weak stream] in stream?.ended($0) })
        let call = ClientCall(sink: sink, deadline: within.map { .now() + TimeAmount($0) })
        stream.begin(call)
        if !outbox.append(.open(call, headers(method, metadata, within), message: nil), bytes: 0) { call.end(Self.closed) }
        return stream
    }
}
