import Manifest

/// Where a member is found: `https://10.0.0.1:2380`, or without a scheme, which then is the port's own.
struct MemberURL: TextScalar {
    /// As written.
    let scalarText: String
    let host: String
    let port: Int
    /// nil where none was written.
    let isSecure: Bool?

    init(scalar text: String) throws(ScalarProblem) {
        let hasScheme = text.contains("://")
        let url: HTTPURL
        do throws(ScalarProblem) {
            url = try HTTPURL(scalar: hasScheme ? text : "https://" + text)
        } catch {
            throw hasScheme ? error : ScalarProblem("is not host:port or a URL such as https://10.0.0.1:2379")
        }
        let authority = text.split(separator: "/").last.map(String.init) ?? ""
        guard url.target == "/", authority.contains(":"), authority.last != "]" else {
            throw ScalarProblem("is not an address with a port; write one such as https://10.0.0.1:2379 (2380 for peers)")
        }
        scalarText = text
        (host, port) = (url.host, url.port)
        isSecure = hasScheme ? url.isSecure : nil
    }

    /// - Parameter isSecure: nil: without a scheme.
    init(host: String, port: Int, isSecure: Bool?) {
        (self.host, self.port, self.isSecure) = (host, port, isSecure)
        scalarText = "\(isSecure.map { $0 ? "https://" : "http://" } ?? "")\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// As members tell it to each other: with a scheme.
    func text(isSecure: Bool) -> String { MemberURL(host: host, port: port, isSecure: self.isSecure ?? isSecure).scalarText }

    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
    /// Every interface: no address by which others could call it.
    var isWildcard: Bool { host == "0.0.0.0" || host == "::" }

    static var schema: JSON { ["type": "string", "pattern": "^(https?://)?[^/]+:[0-9]+/?$"] }
    static var example: MemberURL { MemberURL(host: "10.0.0.1", port: 2380, isSecure: true) }
}

/// `node01=https://10.0.0.1:2380`, as in etcd's `--initial-cluster`.
struct PeerText: TextScalar {
    let scalarText: String
    let name: String
    let url: MemberURL

    init(scalar text: String) throws(ScalarProblem) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw ScalarProblem("is not NAME=URL; write one such as node01=https://10.0.0.1:2380")
        }
        name = String(text[..<equals])
        url = try MemberURL(scalar: String(text[text.index(after: equals)...]))
        scalarText = text
    }

    init(name: String, url: MemberURL) {
        (self.name, self.url) = (name, url)
        scalarText = "\(name)=\(url)"
    }

    static var schema: JSON { ["type": "string", "pattern": "^[^=]+=(https?://)?[^/]+:[0-9]+/?$"] }
    static var example: PeerText { PeerText(name: "node01", url: .example) }
}
