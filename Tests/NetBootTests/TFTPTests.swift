import Simulation
import Testing

@testable import NetBoot

@Suite struct TFTPTests {
    private func request(_ options: [(String, String)] = []) -> TFTPPacket.Request {
        TFTPPacket.Request(file: "ipxe.efi", mode: "octet", options: options.map { .init(name: $0.0, value: $0.1) })
    }

    private func session(_ content: [UInt8], _ options: [(String, String)] = []) -> TFTPSession {
        TFTPSession(request(options), content: content, blockSizeMax: 1468, now: at(0))
    }

    private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

    @Test func `every message that is written is read again`() {
        let packets: [TFTPPacket] = [
            .read(request([("tsize", "0"), ("blksize", "1468")])), .write(request()), .data(block: 7, [1, 2, 3]), .data(block: 65535, []),
            .acknowledge(block: 256), .error(code: 8, "User aborted the transfer"), .options([.init(name: "blksize", value: "1468")]),
        ]
        for packet in packets { #expect(TFTPPacket(packet.bytes) == packet) }
    }

    @Test(arguments: [
        [0, 1, 97, 0], [0, 1, 97, 0, 98], [0, 1, 97, 0, 98, 0, 99, 0], [0, 9, 0, 0], [1, 4, 0, 0], [0, 4, 0],
    ] as [[UInt8]])
    func `half a message is none`(bytes: [UInt8]) { #expect(TFTPPacket(bytes) == nil) }

    @Test func `firmware that asks for the size ends that session and comes again`() {
        var first = session(content(3000), [("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")])
        #expect(first.start() == [.options([.init(name: "tsize", value: "3000"), .init(name: "blksize", value: "1468"), .init(name: "windowsize", value: "4")])])
        #expect(first.receive(.error(code: 8, "User aborted"), now: at(0.1)).end == .refused("User aborted"))
        var second = session(content(3000), [("blksize", "1468"), ("windowsize", "4")])
        _ = second.start()
        let burst = second.receive(.acknowledge(block: 0), now: at(0.2))
        #expect(burst.send.count == 3, "two whole blocks and the rest")
        #expect(second.receive(.acknowledge(block: 3), now: at(0.3)).end == .complete)
    }

    @Test func `a client without options is sent blocks of 512 at once`() {
        var session = session(content(1024))
        #expect(session.start() == [.data(block: 1, Array(content(1024)[..<512]))])
        #expect(session.receive(.acknowledge(block: 1), now: at(0.1)).send == [.data(block: 2, Array(content(1024)[512...]))])
        #expect(session.receive(.acknowledge(block: 2), now: at(0.2)).send == [.data(block: 3, [])], "an empty block ends what fits evenly")
        #expect(session.receive(.acknowledge(block: 3), now: at(0.3)).end == .complete)
    }

    @Test func `an acknowledgement that comes twice does not double what is sent`() {
        var session = session(content(2000))
        _ = session.start()
        #expect(session.receive(.acknowledge(block: 1), now: at(0.1)).send.count == 1)
        #expect(session.receive(.acknowledge(block: 1), now: at(0.1)) == TFTPSession.Step())
        #expect(session.receive(.acknowledge(block: 9), now: at(0.1)) == TFTPSession.Step(), "nor one of what was never sent")
    }

    @Test func `within a window it goes on from the block that was lost`() {
        var session = session(content(10_000), [("windowsize", "8")])
        _ = session.start()
        _ = session.receive(.acknowledge(block: 0), now: at(0))
        let step = session.receive(.acknowledge(block: 3), now: at(0.1))
        guard case .data(let block, _) = step.send.first else { return #expect(Bool(false), "no data") }
        #expect(block == 4)
        #expect(step.send.count == 8)
    }

    @Test func `a silent client is sent the same again some times, then given up`() {
        var session = session(content(100))
        let first = session.start()
        var again = 0
        for tenth in 1...1000 {
            let step = session.tick(now: at(Double(tenth) / 10))
            if let end = step.end {
                #expect(end == .silent)
                #expect(again == TFTPSession.triesMax - 1)
                return
            }
            if !step.send.isEmpty {
                #expect(step.send == first)
                again += 1
            }
        }
        #expect(Bool(false), "it never ended")
    }

    @Test func `a client that only just stays awake does not stay for ever`() {
        var session = session(content(1_000_000))
        _ = session.start()
        for second in 0..<400 {
            _ = session.receive(.acknowledge(block: UInt16(second + 1)), now: at(Double(second)))
            if let end = session.tick(now: at(Double(second))).end {
                #expect(end == .overdue)
                return
            }
        }
        #expect(Bool(false), "it never ended")
    }

    @Test(arguments: [
        ("blksize", "7", nil), ("blksize", "8", "8"), ("blksize", "65464", "1468"), ("blksize", "x", nil), ("windowsize", "0", nil),
        ("windowsize", "65535", "64"), ("timeout", "0", nil), ("timeout", "3", "3"), ("timeout", "200", nil), ("tsize", "0", "5"), ("utimeout", "9", nil),
    ] as [(String, String, String?)])
    func `options are taken within bounds or left out`(name: String, asked: String, answered: String?) {
        var session = session(content(5), [(name, asked)])
        let first = session.start()
        #expect(first == (answered.map { [.options([.init(name: name, value: $0)])] } ?? [.data(block: 1, content(5))]))
    }

    @Test func `a lossy network delivers every file whole`() {
        for seed in 0..<UInt64(FuzzDice.count(3000) / 10) {
            var dice = FuzzDice(seed)
            let content = dice.bytes(Int.random(in: 0...20_000, using: &dice))
            let size = [8, 100, 512, 1468].randomElement(using: &dice) ?? 512
            // More blocks than 16 bits count, now and then.
            let file = size == 8 && seed.isMultiple(of: 50) ? dice.bytes(540_000) : content
            let window = [1, 2, 7, 64].randomElement(using: &dice) ?? 1
            let loss = file.count > 100_000 ? 0 : Int.random(in: 0...30, using: &dice)
            var session = session(file, [("blksize", String(size)), ("windowsize", String(window))])
            var received: [UInt8] = [], next = 1, sinceAcknowledged = 0, isDone = false
            var toClient = session.start(), clock = 0.0, end: TFTPSession.End?
            rounds: for _ in 0..<200_000 {
                clock += 0.001
                var toServer: [TFTPPacket] = []
                for packet in toClient where Int.random(in: 0..<100, using: &dice) >= loss {
                    switch packet {
                    case .options: toServer.append(.acknowledge(block: 0))
                    case .data(let block, let bytes):
                        if block == UInt16(truncatingIfNeeded: next), !isDone {
                            received += bytes
                            next += 1
                            sinceAcknowledged += 1
                            isDone = bytes.count < size
                            if isDone || sinceAcknowledged == window {
                                toServer.append(.acknowledge(block: block))
                                sinceAcknowledged = 0
                            }
                        } else {
                            toServer.append(.acknowledge(block: UInt16(truncatingIfNeeded: next - 1)))
                            sinceAcknowledged = 0
                        }
                    default: break
                    }
                }
                toClient = []
                for packet in toServer where Int.random(in: 0..<100, using: &dice) >= loss {
                    let step = session.receive(packet, now: at(clock))
                    toClient += step.send
                    if let ended = step.end {
                        end = ended
                        break rounds
                    }
                }
                if toClient.isEmpty {
                    clock += 1
                    let step = session.tick(now: at(clock))
                    toClient = step.send
                    if let ended = step.end {
                        end = ended
                        break rounds
                    }
                }
            }
            // The last acknowledgement may be lost with the client gone happily; time may run out on a very bad network.
            switch end {
            case .complete: #expect(received == file, "seed \(seed)")
            case .silent, .overdue: #expect(loss > 0, "seed \(seed): \(String(describing: end)) without loss")
            case .refused, nil: #expect(Bool(false), "seed \(seed): \(String(describing: end))")
            }
        }
    }
}
