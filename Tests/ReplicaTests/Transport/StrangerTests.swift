import Foundation
import NIOCore
import Raft
import Simulation
import Testing

@testable import Replica

@Suite struct StrangerTests {
    private let hello = PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5)

    @Test func `garbage on the port is closed and counted, and disturbs nobody`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        connect(a, b)
        #expect(await a.reaches(b, 1))
        let seed = UInt64.random(in: 0 ... .max)
        var dice = WireDice(seed: seed)
        var badFrame = ByteBuffer()
        badFrame.writeFrame(.hello) { $0.writeBytes([UInt8](repeating: 1, count: 57)) }
        var early = ByteBuffer()
        early.writeFrame(PeerMessage(from: 2, to: 1, body: .chunkAnswer(SnapshotChunkAnswer(id: 1, verdict: .done))))
        let noise: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8),
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03] + dice.bytes(max: 200),
            Array(badFrame.readableBytesView), Array(early.readableBytesView),
            (0..<4096).map { _ in UInt8.random(in: 1...255, using: &dice) },
        ]
        for (at, bytes) in noise.enumerated() {
            let wire = try RawSocket(connectedTo: a.port)
            wire.send(bytes)
            #expect(wire.isClosed(), "noise \(at), seed \(seed)")
        }
        #expect(await eventually { a.counts.garbage == noise.count })
        #expect(await a.reaches(b, 2))
        #expect(a.now.lost.isEmpty)
        #expect(a.book.lines(with: "warning").isEmpty, "\(a.book.all)")
    }

    @Test func `a member that starts to talk nonsense is broken with`() async throws {
        let a = try await Member(1)
        var wrongSender = ByteBuffer()
        wrongSender.writeFrame(PeerMessage(from: 3, to: 1, body: .chunkAnswer(SnapshotChunkAnswer(id: 1, verdict: .done))))
        let nonsense: [[UInt8]] = [[1, 0, 0, 0, 9, 9, 9, 9, 4], Array(wrongSender.readableBytesView), [0, 0, 0, 255, 0, 0, 0, 0]]
        for (at, bytes) in nonsense.enumerated() {
            let wire = try RawSocket(connectedTo: a.port)
            wire.send(.hello, Greeting(lane: .raft, hello: hello, session: 6))
            #expect(wire.receive() == .welcome)
            wire.send(.ping)
            wire.send(bytes)
            #expect(wire.isClosed(), "nonsense \(at)")
            #expect(await eventually { a.now.lost.count == at + 1 })
        }
        #expect(a.counts.garbage == nonsense.count)
        #expect(a.now.messages.isEmpty)
    }

    @Test func `who does not say hello in time is closed`() async throws {
        let a = try await Member(1) { $0.greetingTimeout = .milliseconds(100) }
        let silent = try RawSocket(connectedTo: a.port)
        let slow = try RawSocket(connectedTo: a.port)
        slow.send([57, 0, 0, 0])
        let halfway = try RawSocket(connectedTo: a.port)
        halfway.send(.hello, Greeting(lane: .raft, hello: hello, session: 6))
        #expect(halfway.receive() == .welcome)
        #expect(silent.isClosed() && slow.isClosed() && halfway.isClosed())
        #expect(a.counts.garbage == 2)
        #expect(a.now.lost.isEmpty)
    }

    @Test func `strangers are few: the oldest makes room, and members still come in`() async throws {
        let (a, b) = (try await Member(1) { $0.strangersMax = 4 }, try await Member(2))
        let first = try RawSocket(connectedTo: a.port)
        let others = try (0..<20).map { _ in try RawSocket(connectedTo: a.port) }
        #expect(first.isClosed())
        connect(a, b)
        #expect(await b.reaches(a, 1))
        #expect(await eventually { a.counts.garbage >= 16 })
        #expect(others.count == 20)
    }

    @Test func `a member that does not read costs no more than its queue`() async throws {
        let (door, port) = try RawSocket.door()
        defer { close(door) }
        let a = try await Member(1) {
            $0.queueBytesMax = 4 << 20
            $0.silentIntervalsMax = 1_000_000
        }
        a.transport.setPeers([Peer(id: 2, addresses: [PeerAddress(host: "127.0.0.1", port: port)])])
        let wire = try RawSocket(acceptedBy: door)
        #expect(wire.receive() == .hello)
        wire.send(.welcome, Greeting(lane: .raft, hello: PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5), session: 6))
        #expect(wire.receive() == .ping)
        let entry = Entry(index: 1, term: 1, bytes: [UInt8](repeating: 0, count: 1 << 20))
        let body = Message.Body.append(previous: .start, entries: [entry], commit: 0)
        let message = PeerMessage(from: 1, to: 2, body: .raft(Message(from: 1, to: 2, term: 1, body: body)))
        let before = try residentBytes()
        for _ in 0..<60 { a.transport.send([message]) }
        #expect(a.counts.messagesDropped > 30)
        #expect(try residentBytes() - before < 40 << 20)
        // What is left still makes sense.
        let whole = wire.receiveWhole()
        #expect(whole?.kind == .message)
        #expect(whole.flatMap { PeerMessage($0.content) } == message)
    }

    private func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return (Int(fields[1]) ?? 0) * 4096
    }
}
