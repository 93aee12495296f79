import NIOCore
import SwiftProtobuf

/// The server's side of one streaming call. All methods are called on the connection's event loop and must not block.
/// A call may end (`ServerCall.finish`) before the client has.
package protocol CallHandler: AnyObject {
    /// One message of the client: `payload.decoded(as:)`.
    func receive(_ payload: ByteBuffer)
    /// The client sends no more.
    func halfClose()
    /// The client went away, its deadline passed or the server stops: nothing can be sent any more.
    func cancel()
}

/// Which method is served by what. Built before the server starts.
package struct Router: Sendable {
    enum Route: Sendable {
        case unary(@Sendable (ByteBuffer, ServerCall) -> Void)
        case stream(@Sendable (ServerCall) -> any CallHandler)
    }
    struct Method: Sendable {
        let route: Route
        let meters: MethodMeters
    }
    private var methods: [String: Method] = [:]
    /// What of a call's metadata its handlers ask for (`ServerCall.metadata`), in small letters; nothing else is kept.
    package var metadata: Set<String> = []
    /// Answers what is not served; nil: as grpc-go does.
    private var refusal: GRPCStatus?
    /// What a connection without a client certificate sees.
    private var guests: [Router] = []

    package init() {}

    /// From now on a connection without a client certificate is answered `refusal`, but for the methods that `mayCall` allows.
    package mutating func bound(guests mayCall: (String) -> Bool, refusal: GRPCStatus) {
        var bounded = Router()
        bounded.methods = methods.filter { mayCall($0.key) }
        bounded.refusal = refusal
        bounded.metadata = metadata
        guests = [bounded]
    }

    func seen(by peer: Peer) -> Router { peer.isCertified ? self : guests.first ?? self }

    /// `body` is called on the connection's event loop, must not block, and answers sooner or later by
    /// `ServerCall.reply` or `finish`.
    /// - Parameter method: such as `/etcdserverpb.KV/Put`.
    package mutating func unary<Request: Message>(
        _ method: String, _ body: @escaping @Sendable (Request, ServerCall) -> Void
    ) {
        let route = Route.unary { payload, call in
            do throws(GRPCStatus) { body(try payload.decoded(as: Request.self), call) } catch { call.finish(error) }
        }
        methods[method] = Method(route: route, meters: MethodMeters(method, .unary))
    }

    /// `make` is called on the connection's event loop when a call begins.
    /// - Parameter kind: as it is counted.
    package mutating func stream(
        _ method: String, kind: MethodKind = .bidiStream, _ make: @escaping @Sendable (ServerCall) -> any CallHandler
    ) {
        methods[method] = Method(route: .stream(make), meters: MethodMeters(method, kind))
    }

    subscript(method: String) -> Method? { methods[method] }

    /// What grpc-go says of a method that is not served.
    func unknown(_ path: String) -> GRPCStatus {
        if let refusal { return refusal }
        // Who asks for what is not there is told what that was, but not at any length.
        let method = String(path.prefix(200))
        let parts = method.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty else {
            return GRPCStatus(.unimplemented, "malformed method name: \(method.debugDescription)")
        }
        let isServed = methods.keys.contains { $0.hasPrefix("/\(parts[1])/") }
        return GRPCStatus(
            .unimplemented, isServed ? "unknown method \(parts[2]) for service \(parts[1])" : "unknown service \(parts[1])")
    }
}
