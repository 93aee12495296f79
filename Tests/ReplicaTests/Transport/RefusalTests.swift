import NIOCore
import Simulation
import Synchronization
import Testing

@testable import Replica

@Suite struct RefusalTests {
    @Test func `members of another cluster are refused on both sides, and each log says so once`() async throws {
        let (a, b) = (try await Member(1), try await Member(2, cluster: 8))
        connect(a, b)
        #expect(await eventually { a.counts.refused > 20 && b.counts.refused > 20 })
        #expect(a.now.hellos.isEmpty && a.counts.connected == 0)
        for member in [a, b] {
            let lines = member.book.lines(with: "cluster id differs")
            #expect(!lines.isEmpty && lines.count <= 4, "\(member.book.all)")
            #expect(Set(lines).count == lines.count)
        }
        #expect(b.book.lines(with: "it refuses us: cluster id differs: 8 came, this is 7").count >= 1, "\(b.book.all)")
    }

    @Test func `a member with another disk is refused by name`() async throws {
        let refusal = PeerRefusal.incarnation(member: 2, known: 100, theirs: 200, voters: 3)
        let (a, b) = (try await Member(1, admit: { $0.from == 2 ? refusal : nil }), try await Member(2))
        b.transport.setPeers([a.peer()])
        #expect(await eventually { b.counts.refused > 5 })
        #expect(a.now.hellos.first == PeerHello(cluster: 7, from: 2, to: 1, incarnation: 200))
        #expect(a.book.lines(with: "member 2 comes with another disk than before").count == 1)
        #expect(b.book.lines(with: "refuses us: member 2 comes with another disk than before").count == 1)
        #expect(a.now.lost.isEmpty && b.now.lost.isEmpty)
    }

    @Test func `one that refuses is no break, and when it relents all is well`() async throws {
        let isTaken = Mutex(true)
        let (a, b) = (
            try await Member(1, admit: { hello in isTaken.withLock { $0 } ? .removed(member: hello.from) : nil }), try await Member(2)
        )
        a.transport.setPeers([b.peer()])
        #expect(await eventually { a.counts.refused > 3 })
        #expect(b.now.lost.isEmpty && a.now.lost.isEmpty)
        #expect(b.counts.connected == 0 && a.now.met.isEmpty && b.now.met.isEmpty)
        isTaken.withLock { $0 = false }
        #expect(await a.reaches(b, 1))
    }

    @Test func `who is let in no more is parted with, and asked anew when it dials again`() async throws {
        let isKnown = Mutex(true)
        let (a, b) = (
            try await Member(1, admit: { hello in isKnown.withLock { $0 } ? nil : .removed(member: hello.from) }), try await Member(2)
        )
        connect(a, b)
        #expect(await a.reaches(b, 1))
        #expect(await b.reaches(a, 2))
        isKnown.withLock { $0 = false }
        a.transport.disconnect(2)
        #expect(await eventually { a.now.lost == [2] && !a.transport.isConnected(to: 2) && b.counts.refused > 2 })
        #expect(!b.transport.isConnected(to: 1))
        isKnown.withLock { $0 = true }
        #expect(await b.reaches(a, 3))
    }

    @Test func `an address that leads to somebody else, or to oneself, is named`() async throws {
        let (a, b) = (try await Member(1), try await Member(2))
        a.transport.setPeers([Peer(id: 3, addresses: b.peer().addresses), Peer(id: 4, addresses: a.peer().addresses)])
        #expect(await eventually { a.book.lines(with: "member 3 was looked for, but here is member 2").count == 1 })
        #expect(await eventually { !a.book.lines(with: "member 4 was looked for, but here is member 1").isEmpty })
    }

    @Test func `a cluster id that is not known yet goes with any`() async throws {
        let (a, b) = (try await Member(1), try await Member(2, cluster: 0))
        connect(a, b)
        #expect(await a.reaches(b, 1))
    }

    @Test func `a later version of the protocol is told which one is spoken here`() async throws {
        let a = try await Member(1)
        let wire = try RawSocket(connectedTo: a.port)
        var greeting = Greeting(lane: .raft, hello: PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5), session: 6)
        greeting.version = Greeting.version + 1
        wire.send(.hello, greeting)
        let answer = wire.receiveWhole()
        #expect(answer?.kind == .refusal)
        #expect(answer.flatMap { PeerRefusal($0.content) } == .version(theirs: Greeting.version + 1, ours: Greeting.version))
        #expect(wire.isClosed())
    }
}
