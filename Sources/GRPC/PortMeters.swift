import Metrics
import Synchronization

/// What is counted of one port.
struct PortMeters: Sendable {
    let connections: Counter
    let refused: Counter
    /// Connections closed because what came was neither TLS, HTTP/2 nor HTTP/1.1 as it should be.
    let garbage: Counter
    /// Connections closed because their client did not read.
    let slowReaders: Counter
    /// Calls refused because too much waits, some of it for them.
    let overloaded: Counter
    /// Waits to be written, and to be whole.
    let unsent: PortLoad
    let incomplete: PortLoad
    let calls: Counter
    /// Bytes of HTTP/2, without those of TLS.
    let received: Counter
    let sent: Counter
    let requests: Counter
    let unaryCalls = CallsUnderWay()

    init(_ port: String, _ limits: Limits) {
        unsent = PortLoad(bytesMax: limits.unsentBytesOfAllMax, refusal: limits.unanswered)
        incomplete = PortLoad(bytesMax: limits.incompleteBytesOfAllMax, refusal: limits.overloaded)
        let labels = [("port", port)]
        connections = Counter(label: "port_connections_total", dimensions: labels)
        refused = Counter(label: "port_connections_refused_total", dimensions: labels)
        garbage = Counter(label: "port_garbage_total", dimensions: labels)
        slowReaders = Counter(label: "port_slow_readers_total", dimensions: labels)
        overloaded = Counter(label: "port_overloaded_total", dimensions: labels)
        received = Counter(label: "port_grpc_received_bytes_total", dimensions: labels)
        sent = Counter(label: "port_grpc_sent_bytes_total", dimensions: labels)
        calls = Counter(label: "port_grpc_calls_total", dimensions: labels)
        requests = Counter(label: "port_http_requests_total", dimensions: labels)
    }
}

/// Calls with one answer that have not been given it, on all connections of a port.
final class CallsUnderWay: Sendable {
    private let count = Atomic(0)

    func add(_ calls: Int) { count.add(calls, ordering: .relaxed) }
    var isOne: Bool { count.load(ordering: .relaxed) == 1 }
    var isNone: Bool { count.load(ordering: .relaxed) == 0 }
}

/// Fired through a connection's handlers when the port stops.
struct PortStopping: Sendable {}
