/// "230.0.0.1:1234": where QEMU's multicast sockets meet.
struct MulticastGroup: Hashable, Sendable, CustomStringConvertible {
    var address: UInt32
    var port: UInt16
    /// Of the interface that it is joined on and sent to through; the guests are told the same. With 127.0.0.1 nothing leaves the machine.
    var local: UInt32

    /// - Parameter localAddress: an IPv4 address of this host.
    /// - Returns: `nil` unless it is an address from 224.0.0.0 to 239.255.255.255, a colon and a port from 1.
    init?(_ text: String, localAddress: String = SegmentDefinition.loopback) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = parseIPv4(parts[0]), address >> 28 == 0xE,
            let port = UInt16(parts[1]), port > 0, String(port) == parts[1], let local = parseIPv4(localAddress)
        else { return nil }
        self.address = address
        self.port = port
        self.local = local
    }

    /// "230.0.0.1:1234", "230.0.0.1:1234 on 10.1.0.5"
    var description: String { "\(dotted(address)):\(port)" + (local >> 24 == 127 ? "" : " on \(dotted(local))") }
}
