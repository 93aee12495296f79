import GRPC
import NIOHTTP1

/// What those may do who show no certificate at a port that asks for one (`tls.client.client_auth: optional`): see how the
/// cluster stands, and join it with the token. Keys, leases and all else want a certificate of the port's CA.
enum Guests {
    static let refusal = GRPCStatus(
        .permissionDenied,
        "a client certificate is needed for this: without one only health, version, metrics and the list of members are told")

    /// gRPC.
    static func mayCall(_ method: String) -> Bool {
        method.hasPrefix("/grpc.health.v1.Health/") || method == "/etcdserverpb.Maintenance/Status" || method == "/etcdserverpb.Cluster/MemberList"
    }

    /// HTTP: what `HTTPFace.servePage` answers, and what is below `/admin/`, where `Access` decides.
    static func mayAsk(_ path: String) -> Bool { path.hasPrefix(AdminPages.path) || HTTPFace.pages.contains(path) }
}
