/// An IPv4 address in dotted decimal. Leading zeros are refused: some readers take them for octal.
package struct IPv4Address: TextScalar, Comparable {
    /// In host order: 192.168.0.1 is 0xC0A80001.
    package var number: UInt32

    package init(number: UInt32) { self.number = number }
    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        number = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    package var octets: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) } }
    /// 224.0.0.0/4 (RFC 5771).
    package var isMulticast: Bool { number >> 28 == 0xE }
    /// 127.0.0.0/8
    package var isLoopback: Bool { number >> 24 == 127 }

    package static func < (a: IPv4Address, b: IPv4Address) -> Bool { a.number < b.number }

    package init(scalar text: String) throws(ScalarProblem) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { throw ScalarProblem("is not an IPv4 address") }
        number = 0
        for part in parts {
            guard let value: Int = decimal(part) else { throw ScalarProblem("is not an IPv4 address") }
            if part.count > 1, part.first == "0" { throw ScalarProblem("has a leading zero in \(quoted(String(part))); write \(value)") }
            guard let octet = UInt8(exactly: value) else { throw ScalarProblem("is not an IPv4 address; \(value) is over 255") }
            number = number << 8 | UInt32(octet)
        }
    }

    package var scalarText: String { octets.map { String($0) }.joined(separator: ".") }
    package static var schema: JSON { ["type": "string", "format": "ipv4"] }
    package static var example: IPv4Address { IPv4Address(192, 168, 100, 11) }
}

/// An IPv4 network in CIDR notation (RFC 4632): "192.168.100.0/24".
package struct IPv4Subnet: TextScalar, Comparable {
    package let network: IPv4Address
    /// From 0 to 32.
    package let prefixLength: Int

    /// The network of that length that holds the address.
    package init(holding address: IPv4Address, prefixLength: Int) {
        precondition((0...32).contains(prefixLength), "an IPv4 prefix length is from 0 to 32")
        self.prefixLength = prefixLength
        network = IPv4Address(number: address.number & IPv4Subnet.mask(prefixLength))
    }

    private static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~UInt32(0) << UInt32(32 - length) }

    package var netmask: IPv4Address { IPv4Address(number: IPv4Subnet.mask(prefixLength)) }
    package var broadcast: IPv4Address { IPv4Address(number: network.number | ~netmask.number) }

    package func contains(_ address: IPv4Address) -> Bool { address.number & netmask.number == network.number }
    package func overlaps(_ other: IPv4Subnet) -> Bool { contains(other.network) || other.contains(network) }
    /// Whether a machine may have the address: inside, and neither the network nor the broadcast address
    /// (which /31, RFC 3021, and /32 do not have).
    package func isHost(_ address: IPv4Address) -> Bool {
        contains(address) && (prefixLength >= 31 || (address != network && address != broadcast))
    }

    package static func < (a: IPv4Subnet, b: IPv4Subnet) -> Bool { (a.network, a.prefixLength) < (b.network, b.prefixLength) }

    package init(scalar text: String) throws(ScalarProblem) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw ScalarProblem("is not a subnet; write one such as 192.168.100.0/24") }
        let address = try IPv4Address(scalar: String(parts[0]))
        guard let length: Int = decimal(parts[1]), length <= 32, parts[1].count <= 2, parts[1] == String(length) else {
            throw ScalarProblem("has a prefix length that is not from 0 to 32")
        }
        self.init(holding: address, prefixLength: length)
        guard network == address else { throw ScalarProblem("has host bits set; the network is \(scalarText)") }
    }

    package var scalarText: String { "\(network.scalarText)/\(prefixLength)" }
    package static var schema: JSON { ["type": "string", "pattern": "^([0-9]{1,3}\\.){3}[0-9]{1,3}/([0-9]|[12][0-9]|3[0-2])$"] }
    package static var example: IPv4Subnet { IPv4Subnet(holding: IPv4Address(192, 168, 100, 0), prefixLength: 24) }
}

/// An IPv4 address and a port: "230.0.0.1:1234".
package struct SocketAddress4: TextScalar, Comparable {
    package var address: IPv4Address
    /// From 1 to 65535.
    package var port: UInt16

    package init(_ address: IPv4Address, port: UInt16) {
        self.address = address
        self.port = port
    }

    package static func < (a: SocketAddress4, b: SocketAddress4) -> Bool { (a.address, a.port) < (b.address, b.port) }

    package init(scalar text: String) throws(ScalarProblem) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw ScalarProblem("is not an address and port; write them as 230.0.0.1:1234") }
        address = try IPv4Address(scalar: String(parts[0]))
        guard let port: UInt16 = decimal(parts[1]), port > 0, parts[1] == String(port) else {
            throw ScalarProblem("has a port that is not from 1 to 65535")
        }
        self.port = port
    }

    package var scalarText: String { "\(address.scalarText):\(port)" }
    package static var schema: JSON { ["type": "string", "pattern": "^([0-9]{1,3}\\.){3}[0-9]{1,3}:[0-9]{1,5}$"] }
    package static var example: SocketAddress4 { SocketAddress4(IPv4Address(230, 0, 0, 1), port: 1234) }
}
