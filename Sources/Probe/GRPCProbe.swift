import Etcd
import GRPC

/// One question to `grpc.health.v1.Health` (gRPC health checking protocol), over a connection of its own.
package enum GRPCProbe {
    private static let bytesMax = 64 << 10

    /// - Parameters:
    ///   - service: empty: the server as a whole.
    ///   - trust: nil speaks plain text.
    package static func look(
        _ address: ProbeAddress, service: String, trust: ProbeTrust?, within limit: Duration
    ) async throws(ProbeFailure) {
        var options = GRPCClient.Options()
        options.connectWithin = limit
        options.receiveBytesMax = bytesMax
        do throws(GRPCStatus) {
            let client = try await GRPCClient.connect(
                host: address.host, port: address.port,
                tls: trust.map { ClientTLS(texts: .init(ca: $0.authorities, certificate: $0.certificate, key: $0.key)) }, options: options)
            let answer: Result<Grpc_Health_V1_HealthCheckResponse, GRPCStatus>
            do throws(GRPCStatus) {
                answer = .success(try await client.unary("/grpc.health.v1.Health/Check", Grpc_Health_V1_HealthCheckRequest.with { $0.service = service }, within: limit))
            } catch {
                answer = .failure(error)
            }
            await client.close()
            let status = try answer.get().status
            if status != .serving { throw GRPCStatus(.failedPrecondition, "not SERVING: \(name(status))") }
        } catch {
            throw failure(error, service, limit)
        }
    }

    private static func name(_ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus) -> String {
        switch status {
        case .unknown: "UNKNOWN"
        case .serving: "SERVING"
        case .notServing: "NOT_SERVING"
        case .serviceUnknown: "SERVICE_UNKNOWN"
        case .UNRECOGNIZED(let number): "\(number)"
        }
    }

    private static func failure(_ status: GRPCStatus, _ service: String, _ limit: Duration) -> ProbeFailure {
        switch status.code {
        case .deadlineExceeded: .timeout(limit)
        case .failedPrecondition: ProbeFailure(.status, status.message)
        case .notFound: ProbeFailure(.status, "it knows no service \"\(service)\"")
        case .unimplemented: ProbeFailure(.protocolError, "it has no gRPC health service")
        case .invalidArgument where status.isUnsent: ProbeFailure(.impossible, status.message)
        case .unavailable where status.message.contains("refused"): ProbeFailure(.refused, "connection refused")
        case .unavailable where status.message.contains("no answer"): .timeout(limit)
        // "cannot connect to HOST:PORT: …"
        case .unavailable where status.message.contains("certificate"):
            ProbeFailure(.certificate, "TLS: " + (status.message.split(separator: ": ", maxSplits: 1).last ?? "the certificate is not trusted"))
        case .unavailable: ProbeFailure(.unreachable, String(status.message.prefix(160)))
        default: ProbeFailure(.status, "gRPC \(status.code): \(status.message.prefix(160))")
        }
    }
}
