import NIOCore
import Raft
import Testing

@testable import Replica

@Suite struct WireTests {
    @Test func `every message comes back as it was`() {
        let seed = UInt64.random(in: 0 ... .max)
        var dice = WireDice(seed: seed)
        for round in 0..<20_000 {
            let message = dice.message()
            let back = PeerMessage(decoding: message.encoded)
            #expect(back == message, "seed \(seed), round \(round)")
        }
    }

    @Test func `a count of more than there is makes no room`() {
        var head: [UInt8] = [1, 5]
        head += [UInt8](repeating: 0, count: 16 + 8 + 16 + 8)
        #expect(PeerMessage(decoding: head + [0, 0, 0, 0]) != nil)
        #expect(PeerMessage(decoding: head + [255, 255, 255, 255]) == nil)
        #expect(PeerMessage(decoding: head + [255, 255, 255, 255] + [UInt8](repeating: 0, count: 2100)) == nil)
    }

    @Test func `an append looks like its drawing`() {
        let entry = Entry(index: 3, term: 2, kind: .configuration, bytes: [9, 8])
        let body = Message.Body.append(previous: Position(index: 2, term: 1), entries: [entry], commit: 1)
        let message = PeerMessage(from: 5, to: 6, body: .raft(Message(from: 5, to: 6, term: 7, body: body)))
        func eight(_ number: UInt8) -> [UInt8] { [number, 0, 0, 0, 0, 0, 0, 0] }
        let head = [1, 5] + eight(5) + eight(6) + eight(7) + eight(2) + eight(1) + eight(1) + [1, 0, 0, 0]
        #expect(message.encoded == head + eight(3) + eight(2) + [1, 2, 0, 0, 0, 9, 8])
    }

    @Test func `nobody can send that a snapshot was received`() {
        for kind in UInt8.min ... .max where !(1...16).contains(kind) && !(32...34).contains(kind) {
            for count in stride(from: 0, through: 160, by: 8) {
                #expect(PeerMessage(decoding: [1, kind] + [UInt8](repeating: 0, count: 16 + count)) == nil)
            }
        }
    }

    @Test func `greetings and refusals come back, and later versions may add to a greeting`() {
        var greeting = Greeting(lane: .bulk, hello: PeerHello(cluster: 1, from: 2, to: 3, incarnation: 4), session: 5)
        greeting.version = 9
        var buffer = ByteBuffer()
        greeting.write(to: &buffer)
        #expect(buffer.readableBytes == 57)
        #expect(Greeting(buffer) == greeting)
        #expect(Greeting(buffer.getSlice(at: 0, length: 56)!) == nil)
        buffer.writeString("more")
        #expect(Greeting(buffer) == greeting)

        let refusals: [PeerRefusal] = [
            .cluster(theirs: 1, ours: 2), .incarnation(member: 1, known: 2, theirs: 3, voters: 5), .removed(member: 4),
            .wrongMember(wanted: 1, here: 2), .version(theirs: 2, ours: 1), .certificate("not ours"), .other("tired"),
        ]
        for refusal in refusals {
            var buffer = ByteBuffer()
            refusal.write(to: &buffer)
            #expect(PeerRefusal(buffer) == refusal)
        }
        var long = ByteBuffer()
        PeerRefusal.other(String(repeating: "é", count: 2000) + "\n\u{1B}[2J").write(to: &long)
        #expect(long.readableBytes < Greeting.payloadBytesMax)
        var bad = ByteBuffer()
        PeerRefusal.other("a\n\u{1B}b").write(to: &bad)
        #expect(PeerRefusal(bad) == .other("a  b"))
    }
}
