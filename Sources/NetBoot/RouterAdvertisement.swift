/// ICMPv6 router discovery (RFC 4861, sections 4.1 and 4.2), as far as a boot server needs it: firmware and iPXE wait
/// for a router's word before they go on, and the word is that there is nothing for them here. Nobody becomes a default
/// router and no prefix is announced.
///
///     solicitation   133 0 | checksum 2 | 0 0 0 0 | options      advertisement   134 0 | checksum 2 | hop limit 1
///     option         type 1 | length in 8 bytes 1 | value                        | flags 1 | lifetime 2 | 0 ×8 | options
package struct RouterAdvertisement: Hashable, Sendable {
    /// The router's own link-layer address.
    package var hardware: HardwareAddress?
    /// nil: not for us to say.
    package var mtu: UInt32?

    package init(hardware: HardwareAddress?, mtu: UInt32?) {
        self.hardware = hardware
        self.mtu = mtu
    }

    /// Hosts take the MTU that they are told (RFC 4861, 6.3.4), those of other people's networks, too.
    package init(hardware: HardwareAddress?, for service: BootService) {
        self.init(hardware: hardware, mtu: service.mode == .server ? UInt32(truncatingIfNeeded: service.mtu) : nil)
    }

    /// The kernel fills in the checksum. The hop limit is 0, unspecified: hosts take what they are told for their own.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = [134, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        if let hardware { bytes += [1, 1] + hardware.octets }
        // RFC 8200: no link carries less than 1280; smaller ones have no IPv6.
        if let mtu, mtu >= 1280 { bytes += [5, 1, 0, 0] + Address4(number: mtu).octets }
        return bytes
    }

    /// Whether the bytes are a solicitation that RFC 4861, section 6.1.1, lets a router answer.
    package static func isSolicitation(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 8, bytes.count <= 1500, bytes[0] == 133, bytes[1] == 0 else { return false }
        var at = 8
        while at < bytes.count {
            guard at + 2 <= bytes.count, bytes[at + 1] > 0, at + 8 * Int(bytes[at + 1]) <= bytes.count else { return false }
            at += 8 * Int(bytes[at + 1])
        }
        return true
    }
}
