import CHost
import Glibc
import Host
import Logging
import Synchronization

/// The host's side of its L2 networks. Any number of copies share one state.
///
/// Multicast: a TAP device and a relay that this process holds; both end with it and are made again by the
/// next one, while the guests stay on the group. Bridge: devices that stay. User: nothing.
package struct Segments: Sendable {
    private let logger: Logger
    private let relays = RelayTable()

    package init(logger: Logger) { self.logger = logger }

    /// `nil`: no interface of that name; always for `user`.
    package func observe(_ segment: SegmentDefinition) async throws(SegmentError) -> SegmentSight? {
        if case .user = segment.driver { return nil }
        guard var sight = try NetworkInterface(segment.interface).sight() else { return nil }
        if case .multicast = segment.driver { sight.relay = relays.table.withLock { $0[segment.interface]?.sight } }
        return sight
    }

    /// Makes what is missing and sets what differs; again: changes nothing. A relay that stopped, or that
    /// serves another group, is replaced.
    package func create(_ segment: SegmentDefinition) async throws(SegmentError) {
        let address = try segment.checked()
        let interface = NetworkInterface(segment.interface)
        switch segment.driver {
        case .user:
            return
        case .multicast:
            try await relay(segment)
        case .bridge:
            if interface.exists {
                guard interface.device() == .bridge else {
                    throw .taken(interface: segment.interface, by: "a \(interface.device().rawValue) device")
                }
            } else {
                try demand(chost_bridge_create(segment.interface), "make the bridge \(segment.interface)", unless: -EEXIST)
                try interface.keepHardwareAddress()
            }
        }
        try interface.configure(address: address, mtu: segment.mtu)
    }

    /// Fine when it is gone. A bridge that still has ports loses them; they stay as interfaces.
    package func remove(_ segment: SegmentDefinition) async throws(SegmentError) {
        switch segment.driver {
        case .user:
            return
        case .multicast:
            guard let relay = relays.table.withLock({ $0.removeValue(forKey: segment.interface) }) else { return }
            await relay.stop()
        case .bridge:
            let interface = NetworkInterface(segment.interface)
            guard interface.exists else { return }
            guard interface.device() == .bridge else {
                throw .taken(interface: segment.interface, by: "a \(interface.device().rawValue) device, not a bridge of ours")
            }
            try interface.setUp(false)
            try demand(chost_bridge_remove(segment.interface), "remove the bridge \(segment.interface)", unless: -ENXIO)
        }
    }

    package func hasDevice(_ device: String) -> Bool { NetworkInterface(device).exists }

    /// The bridge that a machine's TAP device is a port of, empty when of none; nil when there is no such device.
    package func bridge(of device: String) -> String? {
        let interface = NetworkInterface(device)
        return interface.exists ? interface.bridge() ?? "" : nil
    }

    /// A persistent TAP device for one machine, up and a port of the bridge, and of no other: one that a machine holds is moved under it,
    /// as a cable is. Again: changes nothing.
    package func addTap(_ device: String, to bridge: String) async throws(SegmentError) {
        try checkInterfaceName(device, of: bridge)
        let interface = NetworkInterface(device)
        if interface.exists {
            guard interface.device() == .tap else { throw .taken(interface: device, by: "a \(interface.device().rawValue) device") }
        } else {
            // Persistent: closing it leaves the device for QEMU to open.
            _ = try Descriptor(chost_tap_open(device, 1), "make the TAP device \(device)")
        }
        let mtu = chost_interface_mtu(bridge)
        try demand(mtu, "look at the MTU of the bridge \(bridge)")
        if chost_interface_mtu(device) != mtu { try demand(chost_interface_set_mtu(device, mtu), "set the MTU of \(device) to \(mtu)") }
        let isPort = chost_bridge_has_port(bridge, device)
        try demand(isPort, "look at the ports of the bridge \(bridge)")
        if isPort == 0 {
            if let other = interface.bridge() { try demand(chost_bridge_remove_port(other, device), "take \(device) from the bridge \(other)", unless: -EINVAL) }
            let failure = chost_bridge_add_port(bridge, device)
            if failure == -EBUSY { throw .taken(interface: device, by: "a port of something that is no bridge of the kernel's") }
            try demand(failure, "make \(device) a port of \(bridge)")
        }
        try interface.setUp(true)
    }

    /// Fine when it is gone. Fails while a machine holds it.
    package func removeTap(_ device: String) async throws(SegmentError) {
        let interface = NetworkInterface(device)
        guard interface.exists else { return }
        guard interface.device() == .tap else { throw .taken(interface: device, by: "a \(interface.device().rawValue) device") }
        let number = chost_tap_open(device, 0)
        if number == -EBUSY { throw .taken(interface: device, by: "held by a running process; end its machine first") }
        _ = try Descriptor(number, "remove the TAP device \(device)")
    }

    /// Until its task is cancelled; then stops every relay, with which their TAP devices go.
    package func run() async throws {
        // Never yields: ends when the task is cancelled.
        for await _ in AsyncStream(Never.self, { _ in }) {}
        let ending = relays.table.withLock { table in
            defer { table = [:] }
            return table.sorted { $0.key < $1.key }.map(\.value)
        }
        for relay in ending { await relay.stop() }
    }

    private func relay(_ segment: SegmentDefinition) async throws(SegmentError) {
        guard case .multicast(let text, let local) = segment.driver, let group = MulticastGroup(text, localAddress: local) else {
            preconditionFailure("\(segment.name) was checked and has no multicast group")
        }
        if let old = relays.table.withLock({ $0[segment.interface] }) {
            if !old.hasEnded && old.group == group { return }
            _ = relays.table.withLock { $0.removeValue(forKey: segment.interface) }
            await old.stop()
        }
        let interface = NetworkInterface(segment.interface)
        if interface.exists { throw .taken(interface: segment.interface, by: "a \(interface.device().rawValue) device of someone else") }
        let relay = try Relay(interface: segment.interface, group: group)
        relays.table.withLock { $0[segment.interface] = relay }
        relay.start(logger)
    }
}

/// The relays that this process holds, by interface.
private final class RelayTable: Sendable {
    let table = Mutex<[String: Relay]>([:])
}
