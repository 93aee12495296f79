import GRPC
import NIOCore
import NIOHTTP1
import SwiftProtobuf
import Synchronization

/// One path of the gateway.
protocol GatewayMethod: Sendable {
    func serve(_ body: [UInt8], _ reply: HTTPReply)
}

struct UnaryGatewayMethod<Request: Message & Sendable, Response: Message & Sendable>: GatewayMethod {
    let body: @Sendable (Request, @escaping Answer<Response>) -> Void

    func serve(_ bytes: [UInt8], _ reply: HTTPReply) {
        let request: Request
        do throws(GRPCStatus) {
            request = try Gateway.decode(bytes[...])
        } catch {
            return Gateway.refuse(error, reply)
        }
        body(request) { result in
            switch result {
            case .success(let message): reply.send(.ok, contentType: "application/json", body: Gateway.encode(message))
            case .failure(let status): Gateway.refuse(status, reply)
            }
        }
    }
}

/// A stream, whose body may hold several messages and whose answer is a line for each; or a call that waits.
struct StreamGatewayMethod<Request: Message & Sendable>: GatewayMethod {
    let isUnary: Bool
    /// There is one request, and an empty body is one.
    let takesOne: Bool
    let make: @Sendable (any Sink) -> any Session<Request>

    func serve(_ bytes: [UInt8], _ reply: HTTPReply) {
        let sink: any Sink = isUnary ? SingleSink(reply) : LineSink(reply)
        var requests: [Request] = []
        let objects = takesOne ? [bytes[...]] : JSONTexts.objects(bytes)
        for (number, object) in objects.enumerated() {
            do throws(GRPCStatus) {
                requests.append(try Gateway.decode(object))
            } catch where number == 0 {
                return Gateway.refuse(isUnary ? error : GRPCStatus(.unknown, error.message), reply)
            } catch {
                // As etcd's gateway: what came before it stands, and the client sends nothing more.
                break
            }
        }
        let session = make(sink)
        reply.onClose { session.cancel() }
        for request in requests { session.receive(request) }
        session.halfClose()
    }
}

extension Gateway {
    static func refuse(_ status: GRPCStatus, _ reply: HTTPReply) {
        reply.send(httpStatus(status.code), contentType: "application/json", body: errorBody(status))
    }
}

/// A stream's answers as lines: `{"result":…}`, and `{"error":…}` when it ends badly after the first.
private final class LineSink: Sink {
    let isBinary = false
    private let reply: HTTPReply
    private let hasBegun = Mutex(false)

    init(_ reply: HTTPReply) { self.reply = reply }

    var isWritable: Bool { reply.isWritable }
    func whenWritable(_ body: @escaping @Sendable () -> Void) { reply.whenWritable(body) }

    func send(_ message: some Message) {
        let isFirst = hasBegun.withLock { begun in
            defer { begun = true }
            return !begun
        }
        if isFirst { reply.head(.ok, ["content-type": "application/json"]) }
        reply.write(Array(#"{"result":"#.utf8) + Gateway.encode(message) + Array("}\n".utf8))
    }

    func finish(_ status: GRPCStatus) {
        switch (hasBegun.withLock { $0 }, status.code) {
        case (false, .ok): reply.send(.ok, contentType: "application/json", body: [UInt8]())
        case (false, _): Gateway.refuse(status, reply)
        case (true, .ok): reply.end()
        case (true, _):
            reply.write(Gateway.errorLine(status))
            reply.end()
        }
    }
}

/// The one answer of a call that waits.
private final class SingleSink: Sink {
    let isBinary = false
    private let reply: HTTPReply

    init(_ reply: HTTPReply) { self.reply = reply }

    var isWritable: Bool { reply.isWritable }
    func whenWritable(_ body: @escaping @Sendable () -> Void) { reply.whenWritable(body) }
    func send(_ message: some Message) { reply.send(.ok, contentType: "application/json", body: Gateway.encode(message)) }
    func finish(_ status: GRPCStatus) { if status.code != .ok { Gateway.refuse(status, reply) } }
}
