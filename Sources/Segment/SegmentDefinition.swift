/// The host's side of one L2 network.
package struct SegmentDefinition: Hashable, Codable, Sendable {
    package enum Driver: Hashable, Codable, Sendable {
        /// QEMU's multicast socket, the host on it through a TAP device: `group` "230.0.0.1:1234", joined on the interface of `localAddress`.
        case multicast(group: String, localAddress: String = SegmentDefinition.loopback)
        /// A Linux bridge with a TAP device per machine; stays when this process ends.
        case bridge
        /// QEMU's user networking: nothing on the host.
        case user
    }

    package static let loopback = "127.0.0.1"

    package var name: String
    package var driver: Driver
    /// The TAP device or bridge, 1 to 15 bytes; not used by `user`.
    package var interface: String
    /// The host's own address on it; `nil`: none.
    package var address: String?
    /// 1...32, of its subnet.
    package var prefixLength: Int
    /// 576...9000 bytes.
    package var mtu: Int

    package init(name: String, driver: Driver, interface: String, address: String? = nil, prefixLength: Int = 24, mtu: Int = 1500) {
        self.name = name
        self.driver = driver
        self.interface = interface
        self.address = address
        self.prefixLength = prefixLength
        self.mtu = mtu
    }

    /// What a relay that serves it says it serves; `nil` where none is needed.
    package var relayed: String? {
        if case .multicast(let group, let local) = driver { MulticastGroup(group, localAddress: local)?.description } else { nil }
    }

    /// Refuses what no interface can be given.
    /// - Returns: the host's own address on it.
    func checked() throws(SegmentError) -> InterfaceAddress? {
        if case .user = driver { return nil }
        try checkInterfaceName(interface, of: name)
        if case .multicast(let group, let local) = driver, MulticastGroup(group, localAddress: local) == nil {
            throw .invalid(segment: name, "\"\(group)\" is not a multicast group; write it as 230.0.0.1:1234")
        }
        guard (576...9000).contains(mtu) else { throw .invalid(segment: name, "MTU \(mtu) is not from 576 to 9000") }
        guard let text = address else { return nil }
        guard let address = parseIPv4(text) else { throw .invalid(segment: name, "\"\(text)\" is not an IPv4 address") }
        guard (1...32).contains(prefixLength) else {
            throw .invalid(segment: name, "prefix length \(prefixLength) is not from 1 to 32")
        }
        return InterfaceAddress(address: address, prefixLength: prefixLength)
    }
}

/// The kernel takes 1 to 15 bytes without a slash, a colon or white space (dev_valid_name).
func checkInterfaceName(_ interface: String, of segment: String) throws(SegmentError) {
    let isForbidden = { (byte: UInt8) in byte <= 0x20 || byte == 0x2F || byte == 0x3A }
    guard (1...15).contains(interface.utf8.count), interface != ".", interface != "..",
        !interface.utf8.contains(where: isForbidden)
    else {
        throw .invalid(segment: segment, "\"\(interface)\" is not an interface name of 1 to 15 bytes without slash, colon or space")
    }
}

/// What there is of a segment on this host.
package struct SegmentSight: Hashable, Sendable {
    package enum Device: String, Hashable, Sendable { case tap, bridge, other }

    package var interface: String
    package var device: Device
    /// "10.0.0.1/24"; `nil`: no IPv4 address.
    package var address: String?
    package var mtu: Int
    package var isUp: Bool
    /// Multicast only: this process's relay is at work. `nil` where none is needed.
    package var relay: RelaySight?

    package init(interface: String, device: Device, address: String?, mtu: Int, isUp: Bool, relay: RelaySight? = nil) {
        self.interface = interface
        self.device = device
        self.address = address
        self.mtu = mtu
        self.isUp = isUp
        self.relay = relay
    }
}

/// What a relay has done so far.
package struct RelaySight: Hashable, Codable, Sendable {
    /// "230.0.0.1:1234", "230.0.0.1:1234 on 10.1.0.5"
    package var group: String
    /// Why it stopped; `nil`: it runs.
    package var fault: String?
    package var counters: RelayCounters

    package var isRunning: Bool { fault == nil }

    package init(group: String, fault: String? = nil, counters: RelayCounters = RelayCounters()) {
        self.group = group
        self.fault = fault
        self.counters = counters
    }
}

package struct RelayCounters: Hashable, Codable, Sendable {
    /// From the host (TAP) to the group.
    package var framesOut: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// From the group to the host.
    package var framesIn: UInt64 = 0
    package var bytesIn: UInt64 = 0
    /// Own frames that came back, not counted as in.
    package var echoes: UInt64 = 0
    /// Frames that one side would not take.
    package var dropped: UInt64 = 0

    package init() {}
}

package enum SegmentError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalid(segment: String, String)
    /// Something else has the interface's name.
    case taken(interface: String, by: String)
    case forbidden(String)
    case failed(what: String, String)

    package var description: String {
        switch self {
        case .invalid(let segment, let why): "segment \(segment): \(why)"
        case .taken(let interface, let owner): "interface \(interface) is already there and is \(owner); give the network another interface name"
        case .forbidden(let what): "\(what) needs CAP_NET_ADMIN: run as root or use driver: user"
        case .failed(let what, let why): "could not \(what): \(why)"
        }
    }
}
