import Testing

@testable import NetBoot

@Suite struct DHCPPacketTests {
    @Test func `what is written is read again`() throws {
        var packet = message(.request, from: .uefi)
        packet.seconds = 300
        packet.client = address("10.0.0.7")
        packet.yours = address("10.0.0.8")
        packet.nextServer = address("10.0.0.1")
        packet.file = "ipxe.efi"
        let read = try #require(DHCPPacket(packet.bytes))
        #expect(read == packet)
        #expect(packet.bytes.count >= 300)
    }

    @Test func `an option of more than 255 bytes is split and joined`() throws {
        var packet = message(.discover, from: .system)
        let long = (0..<600).map { UInt8($0 % 251) }
        packet.set(DHCPPacket.Code.vendorSpecific, long)
        let read = try #require(DHCPPacket(packet.bytes))
        #expect(read[DHCPPacket.Code.vendorSpecific] == long)
    }

    @Test func `options in the fields for file and server name are read when option 52 says so`() throws {
        var bytes = message(.discover, from: .system) { $0.set(DHCPPacket.Code.overload, [3]) }.bytes
        bytes.replaceSubrange(108..<115, with: [12, 4] + Array("blue".utf8) + [255])
        bytes.replaceSubrange(44..<51, with: [15, 4] + Array("home".utf8) + [255])
        let packet = try #require(DHCPPacket(bytes))
        #expect(packet[DHCPPacket.Code.hostName] == Array("blue".utf8))
        #expect(packet[15] == Array("home".utf8))
        #expect(packet.file == "")
    }

    @Test(arguments: [
        ("too short", 0..<239), ("another hardware", 1..<2), ("another address length", 2..<3), ("no cookie", 236..<237),
    ])
    func `what is no message of an Ethernet card is refused`(why: String, spoiled: Range<Int>) {
        var bytes = message(.discover, from: .bios).bytes
        if why == "too short" { bytes = Array(bytes[spoiled]) } else { bytes[spoiled.lowerBound] ^= 0x40 }
        #expect(DHCPPacket(bytes) == nil, "\(why)")
    }

    @Test func `an option that runs past the end spoils the message`() {
        let bytes = Array(message(.discover, from: .bios).bytes.prefix(240)) + [53, 1, 1, 60, 200, 1, 2]
        #expect(DHCPPacket(bytes) == nil)
        #expect(DHCPPacket(Array(bytes.prefix(243))) != nil, "an end that is missing does not")
    }

    @Test func `who asks is told by class, user class and architecture`() {
        let found = Sender.allCases.map { DHCPClient(message(.discover, from: $0)) }
        #expect(found.map(\.stage) == [.firmware, .firmware, .iPXE, .httpBoot, .system])
        #expect(found.map(\.loader) == ["undionly.kpxe", "ipxe.efi", "ipxe.efi", "ipxe.efi", "undionly.kpxe"])
        let counted = message(.discover, from: .bios) { $0.set(DHCPPacket.Code.userClass, [4] + Array("iPXE".utf8)) }
        #expect(DHCPClient(counted).stage == .iPXE)
        let arm = message(.discover, from: .uefi) { $0.set(DHCPPacket.Code.architecture, [0, 11]) }
        #expect(DHCPClient(arm).loader == nil)
    }
}
