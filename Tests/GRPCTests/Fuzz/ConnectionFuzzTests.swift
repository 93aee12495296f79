import NIOCore
import NIOEmbedded
import Simulation
import Testing

@testable import GRPC

/// A connection's server without a socket: what honest clients get of it, and what the others can do to it.
@Suite struct ConnectionFuzzTests {
    private struct Bench {
        let channel: EmbeddedChannel
        let meters: PortMeters

        init(_ limits: Limits) throws {
            meters = PortMeters("fuzz", limits)
            channel = EmbeddedChannel()
            let peer = Peer(address: "fuzz", commonName: nil)
            try channel.pipeline.syncOperations.addHandler(ServerConnection(router: EchoServer().router, limits: limits, peer: peer, meters: meters))
            channel.pipeline.fireChannelActive()
        }

        func send(_ bytes: some Sequence<UInt8>) throws {
            if channel.isActive || bytes.underestimatedCount > 0 { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
            channel.embeddedEventLoop.run()
        }

        func received() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
            return bytes
        }

        /// Nothing waits, or is counted as if it did.
        var isIdle: Bool { meters.unsent.waiting == 0 && meters.incomplete.waiting == 0 && meters.unaryCalls.isNone }

        func close() throws {
            _ = try? channel.finish(acceptAlreadyClosed: true)
            channel.embeddedEventLoop.run()
            #expect(isIdle)
        }
    }

    private static func limits(_ dice: inout FuzzDice) -> Limits {
        var limits = Limits()
        limits.streamWindowBytes = dice.pick([65_535, 100_000, 1 << 20])
        limits.connectionWindowBytes = dice.pick([65_535, 200_000, 8 << 20])
        return limits
    }

    /// All of a conversation's frames, turn by turn.
    private func converse(_ dice: inout FuzzDice, _ bench: Bench, turns: Int) throws -> [[UInt8]] {
        var client = HonestClient()
        var said = [HonestClient.begin]
        func say(_ bytes: [UInt8]) throws {
            guard !bytes.isEmpty else { return }
            said.append(bytes)
            for piece in dice.oneIn(2) ? dice.pieces(bytes, max: dice.pick([3, 100, 20_000])) : [bytes[...]] { try bench.send(piece) }
            try client.take(try bench.received())
        }
        try bench.send(HonestClient.begin)
        try client.take(try bench.received())
        for _ in 0..<turns { try say(try client.turn(&dice)) }
        for _ in 0..<1000 where !client.isFinished { try say(client.finish(&dice)) }
        try client.check()
        #expect(bench.isIdle)
        return said
    }

    @Test func `an honest client gets all of its answers, within its windows, and then everything it did to others`() throws {
        var dice = FuzzDice(21)
        // Each is hundreds of frames.
        let count = FuzzDice.count(150_000) / 1000
        var met = 0
        for number in 0..<count {
            let limits = Self.limits(&dice)
            var bench = try Bench(limits)
            var said: [[UInt8]] = []
            #expect(throws: Never.self, "input \(number)") { said = try converse(&dice, bench, turns: dice.number(0...dice.pick([10, 60]))) }
            try bench.close()
            guard !said.isEmpty else { return }
            // The same, spoiled: the server may say what it likes, but stays, and keeps nothing.
            for _ in 0..<4 {
                bench = try Bench(limits)
                var some = said
                for _ in 0..<dice.number(1...3) {
                    let at = dice.number(0...some.count - 1)
                    switch dice.number(0...4) {
                    case 0: some[at] = dice.spoiled(some[at])
                    case 1: some.remove(at: at)
                    case 2: some.insert(some[at], at: dice.number(0...some.count - 1))
                    case 3: some.swapAt(at, dice.number(0...some.count - 1))
                    default: some.insert(Self.anything(&dice), at: at)
                    }
                    if some.isEmpty { some = [HonestClient.begin] }
                }
                for bytes in some { try bench.send(bytes) }
                if try !bench.received().isEmpty { met += 1 }
                try bench.close()
            }
        }
        #expect(met > count, "too few came so far that they were answered: \(met)")
    }

    /// A frame of any kind with numbers near the edges.
    private static func anything(_ dice: inout FuzzDice) -> [UInt8] {
        let edge = { (dice: inout FuzzDice) -> [UInt8] in
            withUnsafeBytes(of: dice.pick([0, 1, 5, 65_535, 0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] as [UInt32]).bigEndian, Array.init)
        }
        let content: [UInt8] = switch dice.number(0...4) {
        case 0: edge(&dice)
        case 1: [0, UInt8(dice.number(0...7))] + edge(&dice)
        case 2: edge(&dice) + edge(&dice)
        case 3: dice.bytes(dice.number(0...40))
        default: [0] + edge(&dice) + dice.bytes(3)
        }
        return MuteClient.frame(UInt8(dice.number(0...10)), flags: UInt8(dice.number(0...255)), stream: UInt32(dice.pick([0, 1, 2, 3, 5, 7, 41, 0x7FFF_FFFF])), content)
    }
}
