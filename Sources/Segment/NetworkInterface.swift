import CHost
import Glibc
import Host

/// One network interface of this host, through netdevice(7)'s ioctls: no other program is needed.
struct NetworkInterface: Sendable {
    var name: String

    init(_ name: String) { self.name = name }

    private static let flagUp: Int32 = 1

    var exists: Bool { chost_interface_index(name) > 0 }

    func sight() throws(SegmentError) -> SegmentSight? {
        let flags = chost_interface_flags(name)
        if flags == -ENODEV { return nil }
        try demand(flags, "look at interface \(name)")
        let mtu = chost_interface_mtu(name)
        try demand(mtu, "look at the MTU of \(name)")
        return SegmentSight(
            interface: name, device: device(), address: try address()?.description, mtu: Int(mtu),
            isUp: flags & Self.flagUp != 0)
    }

    func device() -> SegmentSight.Device {
        var driver = [CChar](repeating: 0, count: 32), bus = driver
        guard chost_interface_driver(name, &driver, &bus) == 0 else { return .other }
        return switch (text(driver), text(bus)) {
        case ("tun", "tap"): .tap
        case ("bridge", _): .bridge
        default: .other
        }
    }

    private func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The bridge, or whatever else joins interfaces, that it is a port of.
    func bridge() -> String? {
        let index = chost_interface_master(name)
        guard index > 0 else { return nil }
        var text = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(UInt32(index), &text) != nil else { return nil }
        return self.text(text)
    }

    func address() throws(SegmentError) -> InterfaceAddress? {
        var address: UInt32 = 0, netmask: UInt32 = 0
        let failure = chost_interface_address(name, &address, &netmask)
        if failure == -EADDRNOTAVAIL { return nil }
        try demand(failure, "look at the address of \(name)")
        return InterfaceAddress(address: address, prefixLength: netmask.nonzeroBitCount)
    }

    /// Sets what differs and nothing else, so that doing it again changes nothing.
    func configure(address wanted: InterfaceAddress?, mtu: Int) throws(SegmentError) {
        if chost_interface_mtu(name) != Int32(mtu) {
            try demand(chost_interface_set_mtu(name, Int32(mtu)), "set the MTU of \(name) to \(mtu)")
        }
        if try address() != wanted {
            // Address 0 takes the old one away.
            try demand(
                chost_interface_set_address(name, wanted?.address ?? 0, wanted?.netmask ?? 0),
                "give \(name) the address \(wanted?.description ?? "none")", unless: wanted == nil ? -EADDRNOTAVAIL : 0)
        }
        try setUp(true)
    }

    /// Gives it the address that it has: a bridge that was given one does not take that of another port whenever machines come and go.
    func keepHardwareAddress() throws(SegmentError) {
        var hardware = [UInt8](repeating: 0, count: 6)
        try demand(chost_interface_hardware(name, &hardware), "look at the hardware address of \(name)")
        try demand(chost_interface_set_hardware(name, hardware), "give \(name) its own hardware address")
    }

    func setUp(_ isUp: Bool) throws(SegmentError) {
        try demand(chost_interface_set_up(name, isUp ? 1 : 0), "set \(name) \(isUp ? "up" : "down")")
    }
}

/// An IPv4 address with its subnet, in host byte order.
struct InterfaceAddress: Hashable, Sendable, CustomStringConvertible {
    var address: UInt32
    var prefixLength: Int

    var netmask: UInt32 { prefixLength == 0 ? 0 : ~UInt32(0) << (32 - UInt32(prefixLength)) }

    var description: String { "\(dotted(address))/\(prefixLength)" }
}

func dotted(_ address: UInt32) -> String {
    [24, 16, 8, 0].map { String(address >> $0 & 0xFF) }.joined(separator: ".")
}

/// Four numbers from 0 to 255 without leading zeros; `nil` otherwise.
func parseIPv4(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt32 = 0
    for part in parts {
        guard let number = UInt8(part), String(number) == part else { return nil }
        address = address << 8 | UInt32(number)
    }
    return address
}

/// `code` is 0 or more, or -errno.
func demand(_ code: Int32, _ what: String, unless accepted: Int32 = 0) throws(SegmentError) {
    guard code < 0, code != accepted else { return }
    if code == -EPERM || code == -EACCES { throw .forbidden("to \(what)") }
    throw .failed(what: what, errnoText(-code))
}
