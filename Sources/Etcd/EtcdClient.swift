import GRPC
import Logging
import SwiftProtobuf

/// A client of a cluster that speaks etcd's v3 API: one connection at a time, to the next endpoint when the one in use
/// fails. What surely was not begun is tried again, and so are reads; a write that may have happened is not.
package final class EtcdClient: Sendable {
    package struct Options: Sendable {
        /// Of a whole call, all attempts together.
        package var callWithin: Duration = .seconds(10)
        /// A read that takes longer is asked of the next endpoint.
        package var readWithin: Duration = .seconds(3)
        package var connectWithin: Duration = .seconds(2)
        /// Between two rounds over all endpoints.
        package var pause: Duration = .milliseconds(50)
        /// An idle watch asks so often how far the store has come, and tells it as a bookmark.
        package var askProgressEvery: Duration = .seconds(1)

        package init() {}
    }
    package let endpoints: [EtcdEndpoint]
    let options: Options
    private let link: EtcdLink

    /// - Parameters:
    ///   - endpoints: at least one; all of one cluster, all with TLS or all without.
    ///   - tls: when nil, https trusts whom the system trusts.
    /// - Throws: `EtcdError`.
    package init(endpoints: [String], tls: ClientTLS? = nil, options: Options = Options(), logger: Logger) throws(EtcdError) {
        var parsed: [EtcdEndpoint] = []
        for text in endpoints { parsed.append(try EtcdEndpoint(text)) }
        guard let first = parsed.first else { throw .badEndpoint("", "there is none") }
        for endpoint in parsed where endpoint.isSecure != first.isSecure {
            throw .badEndpoint("\(endpoint)", "the others are \(first.isSecure ? "https" : "http")")
        }
        self.endpoints = parsed
        self.options = options
        link = EtcdLink(parsed, first.isSecure ? tls ?? ClientTLS() : nil, options, logger)
    }

    package func close() async { await link.close() }

    /// One call.
    /// - Parameters:
    ///   - method: such as `/etcdserverpb.KV/Range`.
    ///   - isRead: it changes nothing, and may be made twice.
    package func call<Request: Message, Response: Message>(
        _ method: String, _ request: Request, isRead: Bool = false, as: Response.Type = Response.self
    ) async throws(GRPCStatus) -> Response {
        let end = ContinuousClock.now + options.callWithin
        var attempt = 0
        while true {
            var failed: GRPCClient?
            let failure: GRPCStatus
            do throws(GRPCStatus) {
                let client = try await link.client()
                failed = client
                let left = end - .now
                let within = isRead ? min(left, options.readWithin) : left
                return try await client.unary(method, request, within: max(within, .milliseconds(1)))
            } catch {
                failure = error
            }
            let mayRepeat = failure.isUnwritten || (isRead && (failure.code == .unavailable || failure.code == .deadlineExceeded))
            attempt += 1
            // A wrong certificate does not become right.
            let isBad = mayRepeat || failure.code == .unavailable || failure.code == .deadlineExceeded
            if isBad, let failed { await link.leave(failed) }
            guard mayRepeat, failure.code != .invalidArgument, !Task.isCancelled, end - .now > options.pause else { throw failure }
            if attempt.isMultiple(of: endpoints.count) {
                do { try await Task.sleep(for: options.pause) } catch { throw failure }
            }
        }
    }

    /// Begins a streaming call at the endpoint in use; it does not move to another by itself.
    package func stream<Request: Message, Response: Message>(
        _ method: String, metadata: [(String, String)] = [], sending: Request.Type = Request.self,
        receiving: Response.Type = Response.self
    ) async throws(GRPCStatus) -> ClientStream<Request, Response> {
        try await link.client().stream(method, metadata: metadata)
    }

    /// The endpoint that a stream was opened at is not good: the next call takes the next, where it would be that one.
    package func moveOn(from client: GRPCClient) async { await link.leave(client) }
}

/// The one connection, made when it is needed.
private actor EtcdLink {
    private let endpoints: [EtcdEndpoint]
    private let tls: ClientTLS?
    private let options: EtcdClient.Options
    private let logger: Logger
    private var current: GRPCClient?
    private var connecting: Task<GRPCClient, any Error>?
    private var place = 0

    init(_ endpoints: [EtcdEndpoint], _ tls: ClientTLS?, _ options: EtcdClient.Options, _ logger: Logger) {
        self.endpoints = endpoints
        self.tls = tls
        self.options = options
        self.logger = logger
    }

    func client() async throws(GRPCStatus) -> GRPCClient {
        if let current, current.isOpen { return current }
        let task = connecting ?? connect()
        connecting = task
        do {
            let client = try await task.value
            if connecting == task {
                connecting = nil
                current = client
            }
            return client
        } catch {
            if connecting == task {
                connecting = nil
                current = nil
                place += 1
            }
            throw error as? GRPCStatus ?? GRPCStatus(.unavailable, "\(error)", isUnsent: true)
        }
    }

    private func connect() -> Task<GRPCClient, any Error> {
        let endpoint = endpoints[place % endpoints.count]
        logger.debug("connecting", metadata: ["endpoint": "\(endpoint)"])
        var connection = GRPCClient.Options()
        connection.connectWithin = options.connectWithin
        let tls = tls
        return Task { [connection] in
            try await GRPCClient.connect(host: endpoint.host, port: endpoint.port, tls: tls, options: connection)
        }
    }

    /// Goes to the next endpoint, unless another caller has done so already. Calls under way on the old one go on.
    func leave(_ client: GRPCClient) {
        guard client === current else { return }
        current = nil
        place += 1
    }

    func close() async {
        let open = current
        current = nil
        await open?.close()
    }
}
