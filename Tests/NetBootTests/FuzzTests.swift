import Foundation
import Testing

@testable import NetBoot

/// Anything that the network can send, many times over: no crash, no answer larger than it may be, no way out of the
/// files that are served. Each prints its seed.
@Suite struct FuzzTests {
    @Test func `no bytes upset the reader of DHCP messages, nor the server behind it`() {
        var dice = Dice(1)
        let seeds = Sender.allCases.flatMap { sender in
            [DHCPPacket.Kind.discover, .request, .inform, .decline, .release].map { message($0, from: sender).bytes }
        }
        let lab = service {
            $0.servesUnknown = true
            $0.pool = (0..<16).map { Address4(number: address("192.168.100.200").number + $0) }
        }
        var servers = [DHCPServer(service()), DHCPServer(lab), DHCPServer(service { $0.mode = .proxy })]
        var read = 0
        for number in 0..<fuzzCount(200_000) {
            let bytes = number.isMultiple(of: 4) ? dice.bytes(Int.random(in: 0...700, using: &dice)) : dice.spoiled(seeds.randomElement(using: &dice) ?? [])
            guard let packet = DHCPPacket(bytes) else { continue }
            read += 1
            #expect(packet.options.reduce(0) { $0 + $1.value.count } <= bytes.count + 192, "input \(number)")
            let again = DHCPPacket(packet.bytes)
            #expect(again?.options == packet.options || packet[DHCPPacket.Code.overload] != nil, "input \(number): not the same when written and read")
            for index in servers.indices {
                let verdict = servers[index].receive(
                    packet, atProxyPort: number.isMultiple(of: 3), from: (address("192.168.100.50"), 68), now: at(Double(number) / 100))
                guard let reply = verdict.reply else { continue }
                #expect(reply.packet.bytes.count <= 548, "input \(number)")
                let named = ["192.168.100.11", "192.168.100.12"].map(address)
                let isOurs = reply.packet.yours == .any || named.contains(reply.packet.yours) || lab.pool.contains(reply.packet.yours)
                #expect(isOurs, "input \(number): gave \(reply.packet.yours)")
            }
        }
        #expect(read > fuzzCount(200_000) / 10, "too few inputs were messages at all: \(read)")
    }

    @Test func `no bytes upset the reader of TFTP messages, nor a session`() {
        var dice = Dice(2)
        let seeds: [TFTPPacket] = [
            .read(.init(file: "ipxe.efi", mode: "octet", options: [.init(name: "blksize", value: "1468"), .init(name: "windowsize", value: "4")])),
            .write(.init(file: "../../etc/passwd", mode: "netascii", options: [])), .data(block: 1, [1, 2, 3]), .acknowledge(block: 3),
            .error(code: 8, "aborted"), .options([.init(name: "tsize", value: "0")]),
        ]
        let content = dice.bytes(5000)
        var session: TFTPSession?
        for number in 0..<fuzzCount(300_000) {
            let bytes = number.isMultiple(of: 4) ? dice.bytes(Int.random(in: 0...80, using: &dice)) : dice.spoiled(seeds.randomElement(using: &dice)?.bytes ?? [])
            guard let packet = TFTPPacket(bytes) else { continue }
            if case .read(let request) = packet, number.isMultiple(of: 7) || session == nil {
                var new = TFTPSession(request, content: content, blockSizeMax: 1468, now: at(0))
                #expect(new.start().reduce(0) { $0 + $1.bytes.count } <= 1472, "input \(number)")
                session = new
            }
            let step = session?.receive(packet, now: at(1))
            #expect((step?.send.count ?? 0) <= 64, "input \(number)")
            #expect((step?.send ?? []).allSatisfy { $0.bytes.count <= 1472 }, "input \(number)")
            if step?.end != nil { session = nil }
        }
    }

    @Test func `no request leads out of the files that are served`() {
        var dice = Dice(3)
        let digest = BootPathTests.digest
        let pieces = [
            "/", "..", "boot.ipxe", "artifacts", digest, "kernel", "initrd", "loaders", "ipxe.efi", "authorized_keys", "progress", "?", "&", "mac=",
            "52:54:00:00:01:01", "phase=installer", "%2e%2e", "%00", "etc", "passwd", "\\", "%", "#", "=", "é",
        ]
        for number in 0..<fuzzCount(300_000) {
            var target = (0..<Int.random(in: 0...9, using: &dice)).map { _ in pieces.randomElement(using: &dice) ?? "" }.joined(separator: Bool.random(using: &dice) ? "/" : "")
            if number.isMultiple(of: 3) { target = String(decoding: dice.spoiled(Array("/artifacts/\(digest)/kernel?mac=52-54-00-00-01-01".utf8)), as: UTF8.self) }
            let method = ["GET", "HEAD", "POST", "PUT", "X"].randomElement(using: &dice) ?? "GET"
            switch BootPath.read(method, target) {
            case .success(.loader(let name)): #expect(BootPath.loaders.contains(name), "input \(number)")
            case .success(.artefact(let digest, _, _)): #expect(digest.utf8.count == 64 && digest.allSatisfy(\.isHexDigit), "input \(number)")
            case .success(.progress(_, let phase)): #expect(phase == .installer, "input \(number)")
            case .success, .failure: break
            }
            if case .part(let range) = ByteRange("bytes=" + target, of: 1000) { #expect(range.lowerBound >= 0 && range.upperBound <= 1000, "input \(number)") }
        }
    }

    @Test func `ranges stay within the file`() {
        var dice = Dice(4)
        for number in 0..<fuzzCount(100_000) {
            let size = Int.random(in: 0...5, using: &dice) * Int.random(in: 0...1000, using: &dice)
            let first = Int.random(in: -2...2000, using: &dice), last = Int.random(in: -2...2000, using: &dice)
            let header = String(decoding: dice.spoiled(Array("bytes=\(first)-\(last)".utf8)), as: UTF8.self)
            if case .part(let range) = ByteRange(header, of: size) {
                #expect(range.lowerBound >= 0 && range.upperBound <= size && !range.isEmpty, "input \(number): \(header) of \(size)")
            }
        }
    }

    @Test func `no bytes upset the reader of router solicitations`() {
        var dice = Dice(5)
        #expect(RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0]))
        #expect(RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 1, 1]))
        #expect(!RouterAdvertisement.isSolicitation([133, 0, 1, 2, 0, 0, 0, 0, 1, 0]), "an option of no length has no end")
        #expect(!RouterAdvertisement.isSolicitation([134, 0, 1, 2, 0, 0, 0, 0]))
        for _ in 0..<fuzzCount(200_000) {
            var bytes = dice.bytes(Int.random(in: 0...64, using: &dice))
            if bytes.count > 1 { (bytes[0], bytes[1]) = (133, 0) }
            _ = RouterAdvertisement.isSolicitation(bytes)
        }
        let bytes = RouterAdvertisement(hardware: mac("52:54:00:00:01:01"), mtu: 1500).bytes
        #expect(bytes == [134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 1, 1, 5, 1, 0, 0, 0, 0, 5, 220])
        #expect(RouterAdvertisement(hardware: nil, mtu: 576).bytes.count == 16)
    }

    @Test func `no text upsets the readers of addresses and checksums`() {
        var dice = Dice(6)
        for _ in 0..<fuzzCount(100_000) {
            let text = String(decoding: dice.spoiled(Array("52:54:00:00:01:01 192.168.100.11".utf8)), as: UTF8.self)
            for part in text.split(separator: " ") {
                if let mac = HardwareAddress(part) { #expect(HardwareAddress(mac.description) == mac) }
                if let address = Address4(part) { #expect(address.description == part) }
            }
            _ = ChecksumFile.digest(of: "/a/initrd", in: String(decoding: dice.spoiled(Array("\(BootPathTests.digest)  initrd\n".utf8)), as: UTF8.self))
        }
    }
}
