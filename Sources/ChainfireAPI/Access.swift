import GRPC
import NIOHTTP1

/// Who may change the cluster through `/admin`.
///
/// Allowed are: a connection with a client certificate that the port's CA signed; a connection from this machine itself
/// (loopback), unless a proxy says that it only passes something on; whoever gives the join token, as
/// `authorization: Bearer TOKEN`. A request that carries `origin` was sent by a web page and is refused.
///
/// etcd's own calls know no such rule: as with an etcd without authentication, whoever may speak to the port may call
/// them. Client certificates decide who may: see `Guests`.
struct Access: Sendable {
    let joinToken: String?

    static let refusal = """
        not allowed: change the cluster over a connection with a client certificate, from the member's own machine, \
        or with the join token (header "authorization: Bearer TOKEN")
        """

    func allows(_ request: HTTPRequest) -> Bool {
        allows(address: request.peer.address, isCertified: request.peer.isCertified, headers: request.headers)
    }

    func allows(address: String, isCertified: Bool, headers: HTTPHeaders) -> Bool {
        guard headers["origin"].isEmpty else { return false }
        let isPassedOn = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].contains { !headers[$0].isEmpty }
        if isCertified || (Self.isLoopback(address) && !isPassedOn) { return true }
        guard let given = headers["authorization"].first, given.hasPrefix("Bearer ") else { return false }
        return knows(String(given.dropFirst("Bearer ".count)))
    }

    /// Compares in a time that tells nothing of how much is right.
    func knows(_ token: String?) -> Bool {
        guard let token, let joinToken, !joinToken.isEmpty else { return false }
        let (given, wanted) = (Array(token.utf8), Array(joinToken.utf8))
        var difference: UInt8 = given.count == wanted.count ? 0 : 1
        for place in wanted.indices { difference |= wanted[place] ^ (place < given.count ? given[place] : 0) }
        return difference == 0
    }

    /// `127.0.0.0/8` and `::1`, also inside IPv6.
    static func isLoopback(_ address: String) -> Bool {
        guard let colon = address.lastIndex(of: ":") else { return false }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if host.hasPrefix("::ffff:") { host = host.dropFirst("::ffff:".count) }
        return host == "::1" || host.hasPrefix("127.")
    }
}
