import Simulation
import Testing

@testable import NetBoot

/// The small decoders beside the large ones.
@Suite struct SmallFuzzTests {
    @Test func `no bytes upset the reader of router solicitations`() {
        var dice = FuzzDice(5)
        #expect(RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0]))
        #expect(RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 1, 1]))
        #expect(!RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0, 1, 0]), "an option of no length has no end")
        #expect(!RouterAdvertisement.isSolicitation([134, 0, 1, 2, 0, 0, 0, 0]))
        for _ in 0..<FuzzDice.count(200_000) {
            var bytes = dice.bytes(dice.number(0...64))
            if bytes.count > 1 { (bytes[0], bytes[1]) = (133, 0) }
            _ = RouterAdvertisement.isSolicitation(bytes)
        }
    }

    @Test func `no text upsets the readers of addresses and checksums`() {
        var dice = FuzzDice(6)
        for _ in 0..<FuzzDice.count(100_000) {
            let text = String(decoding: dice.spoiled(Array("52:54:00:00:01:01 192.168.100.11".utf8)), as: UTF8.self)
            for part in text.split(separator: " ") {
                if let mac = HardwareAddress(part) { #expect(HardwareAddress(mac.description) == mac) }
                if let address = Address4(part) { #expect(address.description == part) }
            }
            _ = ChecksumFile.digest(of: "/a/initrd", in: String(decoding: dice.spoiled(Array("\(BootPathTests.digest)  initrd\n".utf8)), as: UTF8.self))
        }
    }
}
