import Foundation
import Simulation
import Testing

@testable import NetBoot

/// What can be sent to port 69 and to the port of a transfer, many times over.
@Suite struct TFTPFuzzTests {
    private static let mtuBlock = 1468

    @Test func `no bytes upset the reader of TFTP messages, nor a transfer`() {
        var dice = FuzzDice(2)
        let count = FuzzDice.count(300_000)
        let contents = [0, 1, 511, 512, 513, 5000, 40_000].map { dice.bytes($0) }
        var transfer: (session: TFTPSession, content: [UInt8])?
        var requests = 0, blocks = 0, completed = 0
        for number in 0..<count {
            let bytes = Self.input(&dice, transfer?.session)
            guard let packet = TFTPPacket(bytes) else { continue }
            if case .read(let request) = packet, transfer == nil || dice.oneIn(7) {
                let content = dice.pick(contents)
                requests += 1
                var new = TFTPSession(request, content: content, blockSizeMax: Self.mtuBlock, now: at(0))
                #expect((8...Self.mtuBlock).contains(new.blockSize) && (1...64).contains(new.window), "input \(number)")
                blocks += Self.check(new.start(), new, content, "input \(number)")
                transfer = (new, content)
            }
            guard let (open, content) = transfer else { continue }
            var session = open
            let step = dice.oneIn(10) ? session.tick(now: at(Double(dice.pick([0, 1, 11, 400])))) : session.receive(packet, now: at(1))
            blocks += Self.check(step.send, session, content, "input \(number)")
            if step.end == .complete { completed += 1 }
            transfer = step.end == nil ? (session, content) : nil
        }
        #expect(requests > count / 100 && blocks > count / 10 && completed > count / 1000, "too little came far: \(requests) transfers, \(blocks) blocks, \(completed) completed")
    }

    /// - Returns: how many blocks of data there are.
    private static func check(_ packets: [TFTPPacket], _ session: TFTPSession, _ content: [UInt8], _ input: String) -> Int {
        #expect(packets.count <= session.window, "\(input): \(packets.count) at once")
        var blocks = 0
        for packet in packets {
            switch packet {
            case .options(let options): #expect(options.count <= 4, "\(input)")
            case .data(let block, let bytes):
                blocks += 1
                let start = (Int(block) - 1) * session.blockSize
                #expect(block > 0 && start <= content.count && bytes.elementsEqual(content[start..<min(start + session.blockSize, content.count)]), "\(input): block \(block) is not what the file has there")
            default: Issue.record("\(input): sends \(packet)")
            }
            #expect(packet.bytes.count <= mtuBlock + 4, "\(input)")
        }
        return blocks
    }

    /// A directory with what may be served and, beside it, what may not.
    @Test func `no file name leads out of the boot loaders`() throws {
        let home = FileManager.default.temporaryDirectory.appending(path: "plasma-tftp-\(UUID().uuidString)")
        let directory = home.appending(path: "ipxe")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: home) }
        try Data("a loader".utf8).write(to: directory.appending(path: "ipxe.efi"))
        for secret in ["secret", "ipxe/secret", "ipxe/ipxe.efi.secret"] { try Data("secret".utf8).write(to: home.appending(path: secret)) }
        let loaders = Loaders(in: [directory.path])
        var dice = FuzzDice(7)
        let count = FuzzDice.count(100_000)
        var found = 0
        for number in 0..<count {
            guard let packet = TFTPPacket([0, 1] + Self.name(&dice) + [0] + Array("octet".utf8) + [0]), case .read(let request) = packet else { continue }
            let (_, name) = TFTPListener.parse(request.file)
            #expect(name.utf8.count <= request.file.utf8.count, "input \(number)")
            guard let content = loaders.content(of: name) else { continue }
            found += 1
            #expect(name == "ipxe.efi" && content == Array("a loader".utf8), "input \(number): \(request.file.debugDescription) leads to \(String(decoding: content, as: UTF8.self))")
        }
        #expect(found > count / 100, "too few names were right: \(found)")
    }

    private static func name(_ dice: inout FuzzDice) -> [UInt8] {
        let parts = ["/", "/", "..", ".", "ipxe.efi", "ipxe.efi", "undionly.kpxe", "secret", "ipxe", "ipxe.efi.secret", "52-54-00-00-01-01", "52-54-00-00-01-01/", "\\", "%2e%2e", "~", "*", "é", "\u{202E}"]
        let name = Array((0..<dice.number(1...5)).map { _ in dice.pick(parts) }.joined().utf8)
        return (dice.oneIn(3) ? dice.spoiled(name) : name).filter { $0 != 0 }
    }

    private static func input(_ dice: inout FuzzDice, _ session: TFTPSession?) -> [UInt8] {
        switch dice.number(0...9) {
        case 0: return dice.bytes(dice.number(0...80))
        case 1, 2:
            let seeds: [TFTPPacket] = [
                .read(.init(file: "ipxe.efi", mode: "octet", options: [.init(name: "blksize", value: "1468"), .init(name: "windowsize", value: "4")])),
                .write(.init(file: "../../etc/passwd", mode: "netascii", options: [])), .data(block: 1, [1, 2, 3]), .acknowledge(block: 3),
                .error(code: 8, "aborted"), .options([.init(name: "tsize", value: "0")]),
            ]
            return dice.spoiled(dice.pick(seeds).bytes)
        case 3, 4:
            var options: [TFTPPacket.Option] = []
            for _ in 0..<dice.number(0...dice.pick([2, 4, 20])) {
                options.append(.init(name: dice.pick(["blksize", "BLKSIZE", "windowsize", "timeout", "tsize", "", "x", "multicast"]), value: dice.numberText()))
            }
            return TFTPPacket.read(.init(file: dice.pick(["ipxe.efi", "", String(repeating: "a", count: 600)]), mode: dice.pick(["octet", "netascii", "OCTET", ""]), options: options)).bytes
        case 5: return TFTPPacket.acknowledge(block: UInt16(dice.number(0...65535))).bytes
        default:
            // What a client says that goes along, loses some and says some twice.
            let block = session.map { $0.isOpen ? min($0.acknowledged + $0.window, $0.blocks) : 0 } ?? 0
            return TFTPPacket.acknowledge(block: UInt16(truncatingIfNeeded: block + dice.pick([0, 0, 0, 0, -1, 1, -2, 64, 65535]))).bytes
        }
    }
}
