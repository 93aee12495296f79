/// Another member and where it listens.
package struct Peer: Hashable, Sendable {
    /// Not 0.
    package var id: UInt64
    /// Tried in turn, again and again.
    package var addresses: [PeerAddress]

    package init(id: UInt64, addresses: [PeerAddress]) {
        self.id = id
        self.addresses = addresses
    }
}

/// Where a member listens: a host name, resolved at every dial, or an IP address, and a port.
package struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IPv6 address stands without brackets.
    package var host: String
    /// 0 takes any free port when it is listened on.
    package var port: Int

    /// Where etcd and Chainfire listen for their peers (IANA: etcd-server).
    package static let portDefault = 2380

    package init(host: String, port: Int = PeerAddress.portDefault) {
        self.host = host
        self.port = port
    }

    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; nil for anything else.
    package init?(_ text: String) {
        var host = text[...]
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard host.contains(":"), rest.isEmpty || rest.hasPrefix(":") else { return nil }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if text.count(where: { $0 == ":" }) == 1, let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, !host.contains(where: { $0.isWhitespace || "/[]@".contains($0) }) else { return nil }
        var number = PeerAddress.portDefault
        if let port {
            guard port.allSatisfy({ $0.isASCII && $0.isNumber }), let read = Int(port), (0...65535).contains(read)
            else { return nil }
            number = read
        }
        self.init(host: String(host), port: number)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What the other members are told of this one.
package struct PeerIdentity: Hashable, Sendable {
    /// Random, made with the cluster. 0: not known yet, which goes with any.
    package var cluster: UInt64
    package var member: UInt64
    /// Random, made with the data directory: the same member with another one has lost its disk.
    package var incarnation: UInt64

    package init(cluster: UInt64, member: UInt64, incarnation: UInt64) {
        self.cluster = cluster
        self.member = member
        self.incarnation = incarnation
    }
}
