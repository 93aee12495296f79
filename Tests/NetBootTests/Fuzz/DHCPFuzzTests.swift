import Foundation
import Simulation
import Testing

@testable import NetBoot

/// What a segment can send to port 67 and 4011, many times over.
@Suite struct DHCPFuzzTests {
    private static let seeds = Sender.allCases.flatMap { sender in
        [DHCPPacket.Kind.discover, .request, .inform, .decline, .release].map { message($0, from: sender) }
    }

    @Test func `no bytes upset the reader of DHCP messages, nor the servers behind it`() {
        var dice = FuzzDice(1)
        let lab = service {
            $0.servesUnknown = true
            $0.pool = (0..<16).map { Address4(number: address("192.168.100.200").number + $0) }
        }
        let services = [service(), lab, service { $0.mode = .proxy }]
        var servers = services.map { BootState($0) }
        let count = FuzzDice.count(200_000)
        var read = 0, answered = 0
        for number in 0..<count {
            let bytes = Self.input(&dice)
            guard let packet = DHCPPacket(bytes) else { continue }
            read += 1
            #expect(packet.options.count <= 256 && packet.options.reduce(0) { $0 + $1.value.count } <= bytes.count + 192, "input \(number)")
            #expect(packet.file.utf8.count <= 3 * 128, "input \(number)")
            let again = DHCPPacket(packet.bytes)
            let isPlain = packet[DHCPPacket.Code.overload] == nil && packet.bytes.count <= DHCPPacket.bytesMax
            #expect(again?.options == packet.options || !isPlain, "input \(number): not the same when written and read")
            let from = (address: dice.oneIn(4) ? Address4(number: UInt32(truncatingIfNeeded: dice.next())) : address("192.168.100.50"), port: dice.pick([68, 4011, 0, 65535]))
            let atProxyPort = dice.oneIn(3)
            for index in servers.indices {
                let time = at(Double(number) / 100)
                let (reply, _) = servers[index].receive(packet, atProxyPort: atProxyPort, from: from, now: time, date: Date(timeIntervalSince1970: Double(number) / 100))
                guard let reply else { continue }
                answered += 1
                Self.check(reply, services[index], from, "input \(number)")
            }
            guard number.isMultiple(of: 1000) else { continue }
            for state in servers {
                #expect(state.pending.count <= BootState.pendingMax, "input \(number)")
                #expect(state.sight(now: at(Double(number) / 100)).count <= 2 * (2 + BootState.pendingMax), "input \(number)")
            }
        }
        #expect(read > count / 4 && answered > count / 20, "too few inputs came far: \(read) messages, \(answered) answers of \(count)")
    }

    private static func check(_ reply: DHCPServer.Reply, _ service: BootService, _ from: (address: Address4, port: Int), _ input: String) {
        let bytes = reply.packet.bytes
        #expect(bytes.count <= 548, "\(input): an answer of \(bytes.count) bytes")
        #expect(DHCPPacket(bytes)?.options == reply.packet.options, "\(input): the answer cannot be read")
        let given = reply.packet.yours
        let own = service.machine(reply.packet.hardware)?.address
        #expect(given == .any || given == own || own == nil && service.pool.contains(given), "\(input): gave \(given)")
        #expect(service.mode == .server || given == .any, "\(input): beside another server it gave \(given)")
        // Nobody off the segment is sent anything: it cannot be made to shower others.
        #expect(reply.address == .everybody || service.isOnLink(reply.address), "\(input): answers \(reply.address)")
        if reply.packet.kind == .offer || reply.packet.kind == .acknowledge, service.machine(reply.packet.hardware)?.boots == false {
            #expect(reply.packet.file.isEmpty && reply.packet[DHCPPacket.Code.bootFile] == nil, "\(input): offers a boot to a machine that may not")
        }
    }

    private static func input(_ dice: inout FuzzDice) -> [UInt8] {
        switch dice.number(0...9) {
        case 0: dice.bytes(dice.number(0...700))
        case 1...3: dice.spoiled(dice.pick(seeds).bytes)
        case 4: dice.crossed(dice.pick(seeds).bytes, dice.pick(seeds).bytes)
        default: structured(&dice)
        }
    }

    /// A message whose parts are each as it should be or just beside it.
    private static func structured(_ dice: inout FuzzDice) -> [UInt8] {
        var packet = dice.pick(seeds)
        let addresses = ["0.0.0.0", "192.168.100.11", "192.168.100.12", "192.168.100.200", "192.168.100.255", "127.0.0.1", "224.0.0.1", "255.255.255.255", "8.8.8.8"].map(address)
        if dice.oneIn(2) { packet.hardware = mac(dice.pick(["52:54:00:00:01:01", "52:54:00:00:01:02", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "01:00:5e:00:00:01"])) }
        if dice.oneIn(3) { packet.hardware = HardwareAddress(number: dice.next() & 0xFFFF_FFFF_FFFF) }
        if dice.oneIn(3) { packet.client = dice.pick(addresses) }
        if dice.oneIn(8) { packet.relay = dice.pick(addresses) }
        packet.wantsBroadcast = dice.oneIn(2)
        for _ in 0..<dice.number(0...6) {
            let code = dice.pick([0, 12, 43, 50, 50, 51, 52, 53, 53, 54, 54, 60, 61, 67, 77, 93, 97, 175, 255, UInt8(dice.number(0...255))])
            let value: [UInt8] =
                switch dice.number(0...4) {
                case 0: dice.pick(addresses).octets
                case 1: [UInt8(dice.number(0...9))]
                case 2: dice.bytes(dice.pick([0, 1, 2, 3, 4, 5, 16, 17, 18, 254, 255, 256, 600]))
                case 3: Array(dice.pick(["PXEClient:Arch:00007:UNDI:003016", "HTTPClient:Arch:00016:UNDI:003001", "iPXE", "\u{4}iPXE", "PXEClient", ""]).utf8)
                default: [0, UInt8(dice.number(0...20))]
                }
            if dice.oneIn(3) { packet.options.append(.init(code: code, value: value)) } else { packet.set(code, value) }
        }
        var bytes = packet.bytes
        // Options in the fields for file and server name (RFC 2132, 9.3), right ones and endless ones.
        if dice.oneIn(4) {
            let place = dice.pick([108, 44]), room = place == 108 ? 128 : 64
            let options = dice.pick([[53, 1, 1, 255], [53, 1, 3], [50, 255], [77, 4, 105, 80, 88, 69, 255], [UInt8](repeating: 0, count: 128), dice.bytes(128)])
            bytes.replaceSubrange(place..<place + min(room, options.count), with: options.prefix(room))
            bytes.replaceSubrange(240..<240, with: [52, 1, UInt8(dice.number(0...4))])
        }
        if dice.oneIn(6) { bytes[dice.number(240...bytes.count - 1)] = 255 }
        if dice.oneIn(6) { bytes.removeLast(dice.number(0...bytes.count - 1)) }
        if dice.oneIn(50) { bytes += dice.bytes(dice.pick([500, 8000, 9000])) }
        return bytes
    }
}
