/// An Ethernet address (IEEE 802, EUI-48): "52:54:00:00:01:01". Capitals are read and written small.
package struct MACAddress: TextScalar, Comparable {
    /// The 48 bits; the first octet is the highest.
    package let number: UInt64

    package init(number: UInt64) { self.number = number & 0xFFFF_FFFF_FFFF }

    package var octets: [UInt8] { [40, 32, 24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt64($0)) } }
    /// False for group addresses (the first octet's lowest bit), which no network card may have; also for all zeros.
    package var isUnicast: Bool { number >> 40 & 1 == 0 && number != 0 }
    /// Not given out by a manufacturer (the first octet's second lowest bit).
    package var isLocallyAdministered: Bool { number >> 41 & 1 == 1 }

    package static func < (a: MACAddress, b: MACAddress) -> Bool { a.number < b.number }

    package init(scalar text: String) throws(ScalarProblem) {
        let separator: Character = text.contains("-") ? "-" : ":"
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let octets = parts.compactMap { part -> UInt8? in
            part.utf8.count == 2 && part.allSatisfy(\.isHexDigit) && part.utf8.count == part.count ? UInt8(part, radix: 16) : nil
        }
        guard parts.count == 6, octets.count == 6 else {
            throw ScalarProblem("is not a MAC address; write six pairs of hexadecimal digits such as 52:54:00:00:01:01")
        }
        number = octets.reduce(0) { $0 << 8 | UInt64($1) }
        if separator == "-" { throw ScalarProblem("is written with dashes; write \(scalarText)") }
    }

    package var scalarText: String { octets.map { hex($0).lowercased() }.joined(separator: ":") }
    package static var schema: JSON { ["type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"] }
    package static var example: MACAddress { MACAddress(number: 0x5254_0000_0101) }
}
