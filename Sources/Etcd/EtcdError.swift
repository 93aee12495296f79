import GRPC
import Store

/// What can be wrong with how a cluster is named.
package enum EtcdError: Error, Hashable, Sendable, CustomStringConvertible {
    case badEndpoint(String, String)
    case tls(String)

    package var description: String {
        switch self {
        case .badEndpoint(let text, let why): "\(text.debugDescription) is no etcd endpoint: \(why); write it as https://host:2379"
        case .tls(let why): why
        }
    }
}

/// One address of a cluster.
package struct EtcdEndpoint: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int
    package var isSecure: Bool

    /// Reads `https://host:2379`, `http://[::1]:2379` or `host:2379`, the last without TLS.
    /// - Throws: `EtcdError.badEndpoint`.
    package init(_ text: String) throws(EtcdError) {
        var rest = text[...]
        isSecure = text.hasPrefix("https://")
        if isSecure || text.hasPrefix("http://") {
            rest = rest.dropFirst(isSecure ? "https://".count : "http://".count)
        } else if text.contains("://") {
            throw .badEndpoint(text, "only http and https are spoken")
        }
        if rest.last == "/" { rest = rest.dropLast() }
        guard !rest.contains("/") else { throw .badEndpoint(text, "it has a path") }
        port = 2379
        if let colon = rest.lastIndex(of: ":"), rest.last != "]" {
            guard let number = Int(rest[rest.index(after: colon)...]), 1...65535 ~= number else {
                throw .badEndpoint(text, "its port is not a number from 1 to 65535")
            }
            port = number
            rest = rest[..<colon]
        }
        if rest.first == "[" && rest.last == "]" { rest = rest.dropFirst().dropLast() }
        guard !rest.isEmpty else { throw .badEndpoint(text, "it has no host") }
        host = String(rest)
    }

    package var description: String {
        "\(isSecure ? "https" : "http")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}

extension StoreError {
    /// From what etcd says. Codes alone do not tell: the texts are of `api/v3rpc/rpctypes/error.go`. Compacted and future
    /// revisions come without their numbers; `EtcdStore` finds them out.
    init(_ status: GRPCStatus) {
        let text = status.message
        switch status.code {
        case .outOfRange where text == EtcdText.compacted: self = .compacted(oldest: 0)
        case .outOfRange where text == EtcdText.future: self = .futureRevision(asked: 0, current: 0)
        case .outOfRange: self = .outOfRange(text)
        case .resourceExhausted where text == EtcdText.noSpace: self = .noSpace
        case .resourceExhausted where text.hasPrefix("grpc: received message larger"): self = .invalid(EtcdText.tooLarge)
        case .resourceExhausted: self = .exhausted(text)
        case .invalidArgument: self = .invalid(text)
        case .notFound: self = .missing(text)
        case .failedPrecondition: self = .precondition(text)
        default: self = .unavailable(text.isEmpty ? "\(status.code)" : text)
        }
    }
}

extension GRPCStatus {
    /// Nothing was written: the call may be made again, elsewhere, whatever it does. etcd and Chainfire say that there is no leader only of
    /// what they have not proposed.
    package var isUnwritten: Bool { isUnsent || (code == .unavailable && message == EtcdText.noLeader) }
}

enum EtcdText {
    static let noLeader = "etcdserver: no leader"
    static let compacted = "etcdserver: mvcc: required revision has been compacted"
    static let future = "etcdserver: mvcc: required revision is a future revision"
    static let noSpace = "etcdserver: mvcc: database space exceeded"
    static let tooLarge = "etcdserver: request is too large"
}
