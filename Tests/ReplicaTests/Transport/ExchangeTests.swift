import Raft
import Testing

@testable import Replica

@Suite struct ExchangeTests {
    @Test func `messages arrive in order, and are told of in both directions`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        connect(a, b)
        #expect(await a.reaches(b, 0))
        #expect(await b.reaches(a, 0))
        for at in stride(from: UInt64(1), to: 5000, by: 50) {
            a.send(at..<at + 50, to: 2)
            b.send(at..<at + 50, to: 1)
        }
        #expect(await eventually { b.commits(from: 1).last == 5000 && a.commits(from: 2).last == 5000 })
        #expect(b.commits(from: 1).drop { $0 == 0 } == Array(1...5000)[...])
        #expect(a.counts.messagesSent >= 5000 && a.counts.messagesReceived >= 5000)
        #expect(a.now.lost.isEmpty && b.now.lost.isEmpty)
    }

    @Test func `a snapshot's chunks travel on a connection of their own`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        connect(a, b)
        #expect(await a.reaches(b, 1))
        let before = a.counts.connected
        var dice = WireDice(seed: 3)
        guard case .chunk(var chunk) = dice.chunkMessage().body else { return }
        chunk.bytes = [UInt8](repeating: 1, count: SnapshotChunk.bytesMax)
        let message = PeerMessage(from: 1, to: 2, body: .chunk(chunk))
        a.transport.send(Array(repeating: message, count: 20))
        #expect(await eventually { b.now.messages.filter { $0 == message }.count == 20 })
        #expect(a.counts.connected == before + 1)
    }

    @Test func `a member that nobody named is answered on the connection that it made`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        a.transport.setPeers([b.peer()])
        #expect(await a.reaches(b, 1))
        #expect(await b.reaches(a, 2))
        #expect(b.counts.connected == 1)
    }

    @Test func `messages for nobody are dropped and counted`() async throws {
        let a = try await Member(1)
        a.send(0..<3, to: 9)
        #expect(a.counts.messagesDropped == 3)
    }

    @Test func `IPv6 and host names lead to members as well`() async throws {
        let (a, b) = (try await Member(1, host: "::1"), try await Member(2, host: "localhost"))
        a.transport.setPeers([b.peer(at: "localhost")])
        b.transport.setPeers([a.peer(at: "::1")])
        #expect(await a.reaches(b, 1))
        #expect(await b.reaches(a, 1))
        #expect(await eventually { a.counts.connected >= 2 })
    }

    @Test func `a port that is taken is named`() async throws {
        let a = try await Member(1)
        await #expect {
            _ = try await Member(2, port: a.port)
        } throws: { error in
            "\(error)" == "cannot listen for peers on 127.0.0.1:\(a.port): address already in use"
        }
    }

    @Test func `of several addresses the one that works is found`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        let dead = try await Member(3)
        dead.transport.stop()
        a.transport.setPeers([Peer(id: 2, addresses: [PeerAddress(host: "127.0.0.1", port: dead.port)] + b.peer().addresses)])
        #expect(await a.reaches(b, 1))
    }
}
