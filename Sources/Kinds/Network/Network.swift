import Manifest
import Resource

/// An L2 segment that machines are on.
package enum Network: Kind {
    package static let name = "Network"
    package static let plural = "networks"
    package static let shortNames = ["net"]
    package static let summary = "An L2 segment: how frames travel, and the IPv4 subnet on it."
    package static let columns = [
        Column("DRIVER", "spec.driver"), Column("SUBNET", "spec.subnet"), Column("GATEWAY", "spec.gateway"),
        Column("INTERFACE", "status.interface", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        var driver: Driver
        /// Given exactly when the driver is `multicast`.
        var multicast: Multicast?
        /// Given exactly when the driver is `bridge`.
        var bridge: Bridge?
        var subnet: IPv4Subnet
        /// Where machines send what leaves the subnet; the host's own address on the segment too, unless `hostAddress` is.
        var gateway: IPv4Address?
        /// The host's own address on a segment that has its own gateway, as a LAN with a router; nil: the gateway's.
        var hostAddress: IPv4Address?
        var dns: [IPv4Address]
        /// 576 to 9000.
        var mtu: Int
        /// The host joins, with `ownAddress`. Meaningless for `user`.
        var hostOnSegment: Bool
        /// Name of the host's device, at most 15 characters; nil: derived from the object's name.
        var interface: String?

        /// The host's address on the segment where it joins.
        var ownAddress: IPv4Address? { hostAddress ?? gateway }
    }

    package enum Driver: String, Codable, Hashable, Sendable, CaseIterable {
        /// QEMU's multicast socket: no privilege for the guests, a TAP device and relay for the host.
        case multicast
        /// A bridge of the host: the fast one.
        case bridge
        /// QEMU's user networking: no privilege at all; each machine alone behind its own NAT.
        case user
    }

    package struct Multicast: Codable, Hashable, Sendable {
        var group: SocketAddress4
        var localAddress: IPv4Address
    }

    package struct Bridge: Codable, Hashable, Sendable {
        /// The bridge device; made when absent.
        var interface: String
    }

    /// A device of the host.
    package struct Device: Codable, Hashable, Sendable {
        var driver: Driver
        var interface: String
    }

    package struct Status: Codable, Hashable, Sendable {
        var interface: String?
        var addresses: [String] = []
        var driver: String?
        /// The device that plasma made, and so may change and remove: "bridge br7", "multicast pl-lan"; nil: none.
        var made: Device?

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let driver: Driver = fields.choice(
            "driver", "How frames travel: QEMU multicast socket, host bridge, or QEMU user networking.")
        let multicast = fields.checked(
            "multicast",
            {
                $0.optionalObject("multicast", "For driver multicast: the group that all machines send to.", readMulticast)
            }
        ) { $0 == nil || driver == .multicast ? nil : "is for driver multicast, but the driver is \(driver.rawValue)" }
        let bridge = fields.checked(
            "bridge",
            {
                $0.optionalObject("bridge", "For driver bridge: the bridge device.") { fields in
                    Bridge(interface: fields.text("interface", deviceName, "Name of the bridge device, at most 15 characters."))
                }
            }
        ) { bridge in
            switch (driver, bridge) {
            case (.bridge, nil): "is required with driver bridge: bridge: {interface: br0}"
            case (.bridge, _), (_, nil): nil
            default: "is for driver bridge, but the driver is \(driver.rawValue)"
            }
        }
        let subnet: IPv4Subnet = fields.required("subnet", "The IPv4 subnet on the segment: 192.168.100.0/24.")
        let isSound = fields.isSound
        let hostOnSegment = fields.value(
            "hostOnSegment", default: true, "Whether the host joins the segment, with hostAddress or else the gateway's. Not with driver user."
        )
        let hostAddress = fields.checked(
            "hostAddress",
            { $0.optional("hostAddress", IPv4Address.self, "The host's own address on a segment whose gateway is another machine; the gateway's when absent.") }
        ) { address in
            guard let address else { return nil }
            if driver == .user || !hostOnSegment { return "is for networks that the host joins; leave it out, or say hostOnSegment: true" }
            return isSound ? subnet.refusal(of: address).map { "\"\(address.scalarText)\" \($0)" } : nil
        }
        let gateway = fields.checked(
            "gateway", { $0.optional("gateway", IPv4Address.self, "Where machines send what leaves the subnet; the host itself, unless hostAddress is given.") }
        ) { gateway in
            guard let gateway else {
                return isSound && driver != .user && hostOnSegment && hostAddress == nil
                    ? "is required while the host is on the segment; else say hostOnSegment: false" : nil
            }
            return isSound ? subnet.refusal(of: gateway).map { "\"\(gateway.scalarText)\" \($0)" } : nil
        }
        return Spec(
            driver: driver,
            multicast: driver == .multicast ? multicast ?? Multicast(group: defaultGroup, localAddress: loopback) : nil,
            bridge: bridge, subnet: subnet, gateway: gateway, hostAddress: hostAddress,
            dns: fields.scalars("dns", IPv4Address.self, 0...8, "Name servers that machines are told of."),
            mtu: fields.integer("mtu", 576...9000, default: 1500, "Largest frame payload, in bytes."),
            hostOnSegment: hostOnSegment,
            interface: fields.optionalText(
                "interface", deviceName, "Name of the host's device, at most 15 characters; derived when absent."))
    }

    static let defaultGroup = SocketAddress4(IPv4Address(230, 0, 0, 1), port: 1234)
    static let loopback = IPv4Address(127, 0, 0, 1)

    private static func readMulticast(_ fields: inout Fields) -> Multicast {
        Multicast(
            group: fields.checked(
                "group", { $0.value("group", default: defaultGroup, "Address and port of the group: 230.0.0.1:1234.") }
            ) { group in
                group.address.isMulticast ? nil : "\"\(group.scalarText)\" is not a multicast group: 224.0.0.0 to 239.255.255.255"
            },
            localAddress: fields.value(
                "localAddress", default: loopback,
                "The host's address that joins the group. 127.0.0.1 keeps all frames on this machine."))
    }

    /// Linux: at most 15 bytes, no slash, no space, not "." or "..".
    private static let deviceName = TextForm(
        marks: "_.-", count: 1...15, name: "a name for a device: 1 to 15 letters, digits, or any of _ . -")
}

extension Network.Status {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        interface = try fields.decodeIfPresent(String.self, forKey: .interface)
        addresses = try fields.decodeIfPresent([String].self, forKey: .addresses) ?? []
        driver = try fields.decodeIfPresent(String.self, forKey: .driver)
        made = try fields.decodeIfPresent(Network.Device.self, forKey: .made)
    }
}
