/// What a DHCP message tells of who sent it, as far as booting is concerned.
package struct DHCPClient: Hashable, Sendable {
    package enum Stage: String, Hashable, Sendable {
        /// A network card's or the firmware's own PXE.
        case firmware
        /// iPXE, chain-loaded or from an option ROM.
        case iPXE
        /// UEFI's HTTP boot.
        case httpBoot
        /// An operating system: it is no longer booting from the network.
        case system
    }

    package var stage: Stage
    /// RFC 4578: 0 BIOS, 7 and 9 EFI x86-64, 16 the same by HTTP.
    package var architecture: UInt16

    package init(_ packet: DHCPPacket) {
        let vendorClass = packet[DHCPPacket.Code.vendorClass] ?? []
        architecture = packet[DHCPPacket.Code.architecture].flatMap { $0.count >= 2 ? UInt16($0[0]) << 8 | UInt16($0[1]) : nil } ?? 0
        let isIPXE = Self.hasUserClass(packet[DHCPPacket.Code.userClass] ?? []) || packet[DHCPPacket.Code.iPXE] != nil
        if isIPXE {
            stage = .iPXE
        } else if vendorClass.starts(with: Array("HTTPClient".utf8)) {
            stage = .httpBoot
        } else if vendorClass.starts(with: Array("PXEClient".utf8)) {
            stage = .firmware
        } else {
            stage = .system
        }
    }

    /// iPXE writes the bare text; RFC 3004 wants each class behind its length.
    private static func hasUserClass(_ value: [UInt8]) -> Bool {
        let name = Array("iPXE".utf8)
        return value == name || value == [UInt8(name.count)] + name
    }

    /// For people (RFC 4578 §2.1 and IANA's processor architecture types).
    package var firmware: String {
        let name =
            switch architecture {
            case 0: "BIOS"
            case 6: "UEFI x86 (32 bits)"
            case 7, 9, 16: "UEFI x86-64"
            case 10: "UEFI arm (32 bits)"
            case 11, 19: "UEFI arm64"
            default: "architecture \(architecture)"
            }
        return stage == .httpBoot ? name + ", by HTTP" : name
    }

    /// The boot loader that such firmware can start; nil: none of ours.
    package var loader: String? {
        switch architecture {
        case 0: Loaders.bios
        case 7, 9, 16: Loaders.uefi
        default: nil
        }
    }
}
