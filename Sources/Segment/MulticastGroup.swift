/// "230.0.0.1:1234": where QEMU's multicast sockets meet.
struct MulticastGroup: Hashable, Sendable, CustomStringConvertible {
    var address: UInt32
    var port: UInt16

    /// 127.0.0.1: the guests are told the same address, and nothing leaves the machine.
    static let localAddress: UInt32 = 0x7F00_0001

    /// - Returns: `nil` unless it is an address from 224.0.0.0 to 239.255.255.255, a colon and a port from 1.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = parseIPv4(parts[0]), address >> 28 == 0xE,
            let port = UInt16(parts[1]), port > 0, String(port) == parts[1]
        else { return nil }
        self.address = address
        self.port = port
    }

    var description: String { "\(dotted(address)):\(port)" }
}
