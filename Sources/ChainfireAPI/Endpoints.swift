import GRPC
import NIOCore
import SwiftProtobuf

/// Where a stream's answers go: a gRPC call, or lines of JSON. Thread-safe.
protocol Sink: AnyObject, Sendable {
    /// Whether messages leave as protobuf: then what is encoded already may be sent as it is (`WatchBundle`).
    var isBinary: Bool { get }
    /// Little enough waits for the reader that more may be sent.
    var isWritable: Bool { get }
    /// Calls `body` once, when it is writable again; at once when it is.
    func whenWritable(_ body: @escaping @Sendable () -> Void)
    func send(_ message: some Message)
    /// Messages that are encoded and framed already. Only where `isBinary`.
    func send(framed: ByteBuffer)
    /// On its event loop: what was sent and is much leaves before anything else is done. It may be over afterwards.
    func flush()
    func finish(_ status: GRPCStatus)
}

extension Sink {
    func flush() {}
    func send(framed: ByteBuffer) { preconditionFailure("bytes of protobuf are sent as JSON") }
}

/// The other direction of a stream: what the client sends. Called one at a time.
protocol Session<Request>: AnyObject, Sendable {
    associatedtype Request: Message
    func receive(_ request: Request)
    /// The client sends nothing more.
    func halfClose()
    /// The client is gone; nothing that is sent arrives any more.
    func cancel()
}

/// Every call of the etcd API, registered once: under its gRPC name and its paths of the JSON gateway.
struct Endpoints {
    private(set) var router = Router()
    private(set) var gateway: [String: any GatewayMethod] = [:]
    private let leader: LeaderWatch

    init(leader: LeaderWatch) {
        self.leader = leader
        router.metadata = [LeaderWatch.metadata]
    }

    mutating func boundGuests() { router.bound(guests: Guests.mayCall, refusal: Guests.refusal) }

    mutating func unary<Request: Message & Sendable, Response: Message & Sendable>(
        _ method: String, _ paths: [String] = [],
        _ body: @escaping @Sendable (Request, @escaping Answer<Response>) -> Void
    ) {
        router.unary(method) { [leader] (request: Request, call: ServerCall) in
            if leader.refuses(call) { return call.finish(.noLeader) }
            body(request) { result in
                switch result {
                case .success(let message): call.reply(message)
                case .failure(let status): call.finish(status)
                }
            }
        }
        for path in paths { add(UnaryGatewayMethod(body: body), path) }
    }

    /// A stream, or a call that waits and must learn of its client going away.
    mutating func stream<Request: Message & Sendable>(
        _ method: String, _ paths: [String] = [], isUnary: Bool = false, takesOne: Bool = false,
        _ make: @escaping @Sendable (any Sink) -> any Session<Request>
    ) {
        router.stream(method, kind: isUnary ? .unary : takesOne ? .serverStream : .bidiStream) { [leader] call in
            leader.watch(call)
            if leader.refuses(call) { call.abort(.noLeader) }
            return CallSession(make(CallSink(call)), call)
        }
        for path in paths { add(StreamGatewayMethod(isUnary: isUnary, takesOne: isUnary || takesOne, make: make), path) }
    }

    /// etcd 3.4 serves `/v3/` and `/v3beta/`, and no longer `/v3alpha/`.
    private mutating func add(_ method: any GatewayMethod, _ path: String) {
        for version in ["/v3/", "/v3beta/"] { gateway[version + path] = method }
    }
}

private final class CallSink: Sink {
    let isBinary = true
    private let call: ServerCall

    init(_ call: ServerCall) { self.call = call }

    var isWritable: Bool { call.isWritable }
    func whenWritable(_ body: @escaping @Sendable () -> Void) { call.whenWritable(body) }
    func send(_ message: some Message) { call.send(message) }
    func send(framed: ByteBuffer) { call.send(framed: framed) }
    func flush() { call.flush() }
    func finish(_ status: GRPCStatus) { call.finish(status) }
}

/// Decodes a gRPC stream's messages for a session.
private final class CallSession<Request: Message>: CallHandler {
    private let session: any Session<Request>
    private let call: ServerCall

    init(_ session: any Session<Request>, _ call: ServerCall) {
        self.session = session
        self.call = call
    }

    func receive(_ payload: ByteBuffer) {
        do throws(GRPCStatus) {
            session.receive(try payload.decoded())
        } catch {
            session.cancel()
            call.finish(error)
        }
    }

    func halfClose() { session.halfClose() }
    func cancel() { session.cancel() }
}
