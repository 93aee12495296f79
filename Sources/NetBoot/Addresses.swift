/// An IPv4 address as it stands in packets.
package struct Address4: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// In host order: 192.168.0.1 is 0xC0A80001.
    package var number: UInt32

    package init(number: UInt32) { self.number = number }

    /// Four numbers from 0 to 255 without leading zeros; nil otherwise.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        number = 0
        for part in parts {
            guard let octet = UInt8(part), String(octet) == part else { return nil }
            number = number << 8 | UInt32(octet)
        }
    }

    package static let any = Address4(number: 0)
    /// 255.255.255.255: everybody on the segment.
    package static let everybody = Address4(number: .max)

    var octets: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) } }

    package var description: String { octets.map(String.init).joined(separator: ".") }
    package static func < (a: Address4, b: Address4) -> Bool { a.number < b.number }
}

/// An Ethernet address: "52:54:00:00:01:01".
package struct HardwareAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 48 bits; the first octet is the highest.
    package var number: UInt64

    package init(number: UInt64) { self.number = number & 0xFFFF_FFFF_FFFF }

    /// - Precondition: six octets.
    init(octets: some Collection<UInt8>) {
        precondition(octets.count == 6, "an Ethernet address has six octets")
        number = octets.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Six pairs of hexadecimal digits, parted by colons or by dashes; nil otherwise.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 17 else { return nil }
        let separator: Character = text.contains("-") ? "-" : ":"
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let octets = parts.compactMap { $0.utf8.count == 2 && $0.allSatisfy(\.isHexDigit) ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6, octets.count == 6 else { return nil }
        self.init(octets: octets)
    }

    var octets: [UInt8] { [40, 32, 24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt64($0)) } }
    /// False for group addresses and for all zeros, which no network card has.
    var isUnicast: Bool { number >> 40 & 1 == 0 && number != 0 }

    private func text(_ separator: String) -> String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: separator)
    }

    package var description: String { text(":") }
    /// "52-54-00-00-01-01": for URLs and file names.
    var dashed: String { text("-") }

    package static func < (a: HardwareAddress, b: HardwareAddress) -> Bool { a.number < b.number }
}
