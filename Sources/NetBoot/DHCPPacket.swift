/// A DHCP message (RFC 2131, section 2), read from and written to its bytes:
///
///     op 1 | htype 1 | hlen 1 | hops 1 | xid 4 | secs 2 | flags 2 | ciaddr 4 | yiaddr 4 | siaddr 4 | giaddr 4
///     chaddr 16 | sname 64 | file 128 | 99 130 83 99 | options (code 1, length 1, value) … 255
///
/// Reading is total: any bytes give a packet or nil, and never more memory than they take themselves.
package struct DHCPPacket: Hashable, Sendable {
    package enum Operation: UInt8, Sendable { case request = 1, reply = 2 }

    package enum Kind: UInt8, Sendable {
        case discover = 1, offer, request, decline, acknowledge, refuse, release, inform
    }

    /// Options by their numbers in RFC 2132, RFC 3004 (user class), RFC 4578 (PXE).
    package enum Code {
        package static let subnetMask: UInt8 = 1, router: UInt8 = 3, domainNameServers: UInt8 = 6, hostName: UInt8 = 12
        package static let interfaceMTU: UInt8 = 26, broadcastAddress: UInt8 = 28, vendorSpecific: UInt8 = 43
        package static let requestedAddress: UInt8 = 50, leaseTime: UInt8 = 51, overload: UInt8 = 52, messageType: UInt8 = 53
        package static let serverIdentifier: UInt8 = 54, message: UInt8 = 56, renewalTime: UInt8 = 58, rebindingTime: UInt8 = 59
        package static let vendorClass: UInt8 = 60, clientIdentifier: UInt8 = 61, bootFile: UInt8 = 67, userClass: UInt8 = 77, architecture: UInt8 = 93
        package static let machineIdentifier: UInt8 = 97, iPXE: UInt8 = 175
    }

    package struct Option: Hashable, Sendable {
        package var code: UInt8
        package var value: [UInt8]
    }

    package var operation: Operation
    package var transaction: UInt32 = 0
    package var seconds: UInt16 = 0
    /// The client cannot hear unicasts yet.
    package var wantsBroadcast = false
    package var client = Address4.any
    package var yours = Address4.any
    package var nextServer = Address4.any
    package var relay = Address4.any
    package var hardware: HardwareAddress
    package var file = ""
    /// In the order they came; each code once: what is split over several (RFC 3396) is joined.
    package var options: [Option] = []

    package init(_ operation: Operation, hardware: HardwareAddress) {
        self.operation = operation
        self.hardware = hardware
    }

    package subscript(code: UInt8) -> [UInt8]? { options.first { $0.code == code }?.value }

    package var kind: Kind? { self[Code.messageType].flatMap { $0.count == 1 ? Kind(rawValue: $0[0]) : nil } }

    func address(_ code: UInt8) -> Address4? {
        self[code].flatMap { $0.count == 4 ? Address4(number: $0.reduce(0) { $0 << 8 | UInt32($1) }) : nil }
    }

    package mutating func set(_ code: UInt8, _ value: [UInt8]) {
        options.removeAll { $0.code == code }
        options.append(Option(code: code, value: value))
    }

    mutating func set(_ code: UInt8, _ address: Address4) { set(code, address.octets) }
    mutating func set(_ code: UInt8, _ number: UInt32) { set(code, Address4(number: number).octets) }
    mutating func set(_ code: UInt8, _ text: String) { set(code, Array(text.utf8)) }
}

extension DHCPPacket {
    /// Longer datagrams are nobody's who boots.
    static let bytesMax = 9000
    private static let cookie: [UInt8] = [99, 130, 83, 99]
    private static let fileOffset = 108, fileCount = 128, serverNameOffset = 44, serverNameCount = 64, optionsOffset = 240
    /// RFC 951: what older clients expect at least.
    private static let bytesMin = 300

    /// nil: no DHCP message of an Ethernet card.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.optionsOffset, bytes.count <= Self.bytesMax, let operation = Operation(rawValue: bytes[0]),
            bytes[1] == 1, bytes[2] == 6, Array(bytes[236..<240]) == Self.cookie
        else { return nil }
        func number(_ at: Int) -> UInt32 { bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        self.init(operation, hardware: HardwareAddress(octets: bytes[28..<34]))
        transaction = number(4)
        seconds = UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        wantsBroadcast = bytes[10] & 0x80 != 0
        client = Address4(number: number(12))
        yours = Address4(number: number(16))
        nextServer = Address4(number: number(20))
        relay = Address4(number: number(24))
        guard read(bytes, Self.optionsOffset..<bytes.count) else { return nil }
        let overload = self[Code.overload]?.first ?? 0
        let file = Self.fileOffset..<Self.fileOffset + Self.fileCount
        if overload & 1 != 0 {
            guard read(bytes, file) else { return nil }
        } else {
            self.file = String(decoding: bytes[file].prefix { $0 != 0 }, as: UTF8.self)
        }
        if overload & 2 != 0 {
            guard read(bytes, Self.serverNameOffset..<Self.serverNameOffset + Self.serverNameCount) else { return nil }
        }
    }

    private mutating func read(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        var at = range.lowerBound
        while at < range.upperBound {
            let code = bytes[at]
            at += 1
            if code == 0 { continue }
            if code == 255 { return true }
            guard at < range.upperBound else { return false }
            let end = at + 1 + Int(bytes[at])
            guard end <= range.upperBound else { return false }
            if let index = options.firstIndex(where: { $0.code == code }) {
                options[index].value += bytes[at + 1..<end]
            } else {
                options.append(Option(code: code, value: Array(bytes[at + 1..<end])))
            }
            at = end
        }
        return true
    }

    package var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.optionsOffset)
        func put(_ octets: [UInt8], at offset: Int) { bytes.replaceSubrange(offset..<offset + octets.count, with: octets) }
        bytes[0] = operation.rawValue
        bytes[1] = 1
        bytes[2] = 6
        put(Address4(number: transaction).octets, at: 4)
        put([UInt8(seconds >> 8), UInt8(seconds & 255)], at: 8)
        bytes[10] = wantsBroadcast ? 0x80 : 0
        put(client.octets, at: 12)
        put(yours.octets, at: 16)
        put(nextServer.octets, at: 20)
        put(relay.octets, at: 24)
        put(hardware.octets, at: 28)
        // One byte of the field ends the text.
        put(Array(file.utf8.prefix(Self.fileCount - 1)), at: Self.fileOffset)
        put(Self.cookie, at: 236)
        for option in options {
            var rest = option.value[...]
            repeat {
                let part = rest.prefix(255)
                rest = rest.dropFirst(255)
                bytes += [option.code, UInt8(part.count)] + part
            } while !rest.isEmpty
        }
        bytes.append(255)
        if bytes.count < Self.bytesMin { bytes += [UInt8](repeating: 0, count: Self.bytesMin - bytes.count) }
        return bytes
    }
}
