import Metrics
import NIOCore
import Synchronization

/// How many messages of a method go each way; named as it is counted.
package enum MethodKind: String, Sendable {
    case unary
    case serverStream = "server_stream"
    case bidiStream = "bidi_stream"
}

/// What is counted of one method's calls, under the names that dashboards and alerts of gRPC servers know (go-grpc-prometheus, README).
final class MethodMeters: Sendable {
    private let labels: [(String, String)]
    private let started: Counter
    private let succeeded: Counter
    /// nil: how long a stream is open says nothing.
    private let seconds: Timer?
    /// Of the other codes, as they come.
    private let failed = Mutex<[GRPCStatus.Code: Counter]>([:])

    /// - Parameter method: such as `/etcdserverpb.KV/Put`.
    init(_ method: String, _ kind: MethodKind) {
        let parts = method.split(separator: "/")
        labels = [("grpc_method", String(parts.last ?? "")), ("grpc_service", String(parts.first ?? "")), ("grpc_type", kind.rawValue)]
        started = Counter(label: "grpc_server_started_total", dimensions: labels)
        succeeded = Counter(label: Self.handled, dimensions: labels + [("grpc_code", GRPCStatus.Code.ok.name)])
        seconds = kind == .unary ? Timer(label: "grpc_server_handling_seconds", dimensions: labels) : nil
    }

    private static let handled = "grpc_server_handled_total"

    func noteBegun() { started.increment() }

    func noteEnded(_ code: GRPCStatus.Code, begun: NIODeadline) {
        seconds?.recordNanoseconds((NIODeadline.now() - begun).nanoseconds)
        if code == .ok { return succeeded.increment() }
        failed.withLock { failed in
            if let known = failed[code] { return known }
            let counter = Counter(label: Self.handled, dimensions: labels + [("grpc_code", code.name)])
            failed[code] = counter
            return counter
        }.increment()
    }
}
