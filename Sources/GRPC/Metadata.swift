import NIOHPACK

/// The header lists that never change: made once, shared by all calls.
enum Metadata {
    static let response: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]
    static let success: HPACKHeaders = ["grpc-status": "0"]

    static func trailers(_ status: GRPCStatus) -> HPACKHeaders {
        if status.code == .ok && status.message.isEmpty { return success }
        var trailers = HPACKHeaders()
        add(status, to: &trailers)
        return trailers
    }

    /// An answer without any message: headers and trailers in one ("Trailers-Only").
    static func only(_ status: GRPCStatus) -> HPACKHeaders {
        var headers = response
        add(status, to: &headers)
        if status.code == .unimplemented { headers.add(name: "grpc-accept-encoding", value: "identity") }
        return headers
    }

    private static func add(_ status: GRPCStatus, to headers: inout HPACKHeaders) {
        headers.add(name: "grpc-status", value: String(status.code.rawValue))
        if !status.message.isEmpty {
            headers.add(name: "grpc-message", value: PercentText.encode(status.message), indexing: .nonIndexable)
        }
    }

    /// What HTTP/2 clients that do not speak gRPC are told.
    static func plain(_ status: String) -> HPACKHeaders { [":status": status, "content-length": "0"] }
}

/// What matters of a request's headers.
struct RequestHead {
    var path = ""
    var isPost = false
    var isGRPC = false
    var encoding: String?
    var timeout: Duration?

    init(_ headers: HPACKHeaders) {
        for (name, value, _) in headers {
            switch name {
            case ":path": path = value
            case ":method": isPost = value == "POST"
            case "content-type": isGRPC = value.hasPrefix("application/grpc")
            case "grpc-encoding": encoding = value
            case "grpc-timeout": timeout = TimeoutText.decode(value[...])
            default: break
            }
        }
    }
}
