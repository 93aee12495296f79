import Raft
import Simulation
import Synchronization
import Testing

@testable import Replica

@Suite struct LossTests {
    @Test func `a member that ends is lost once, and found again when it is back`() async throws {
        let (a, b, c) = (try await Member(1), try await Member(2), try await Member(3))
        connect(a, b, c)
        for (one, other) in [(a, b), (b, a), (a, c), (c, a), (b, c), (c, b)] { #expect(await one.reaches(other, 1)) }
        #expect(Set(a.now.met) == [2, 3] && Set(b.now.met) == [1, 3] && Set(c.now.met) == [1, 2])
        let start = ContinuousClock.now
        b.transport.stop()
        #expect(await eventually { a.now.lost == [2] && c.now.lost == [2] })
        #expect(a.now.lostAt.allSatisfy { $0 - start < .seconds(1) })
        #expect(b.now.lost.isEmpty)

        let again = try await Member(2, port: b.port)
        connect(a, again, c)
        #expect(await a.reaches(again, 2))
        #expect(await again.reaches(a, 2))
        #expect(await c.reaches(again, 2))
        #expect(a.now.lost == [2])
        again.transport.stop()
        #expect(await eventually { a.now.lost == [2, 2] && c.now.lost == [2, 2] })
        // One a lane and outage, twice that where a busy machine breaks a dial in the middle; never one a try.
        #expect(a.book.lines(with: "no connection to member 2").count <= 8, "\(a.book.all)")
    }

    @Test(arguments: [true, false]) func `a broken connection is lost at once`(_ isReset: Bool) async throws {
        let a = try await Member(1)
        let wire = try RawSocket(connectedTo: a.port)
        wire.send(.hello, Greeting(lane: .raft, hello: PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5), session: 6))
        #expect(wire.receive() == .welcome)
        wire.send(.ping)
        #expect(await eventually { a.counts.connected == 1 })
        #expect(a.now.hellos == [PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5)])
        let start = ContinuousClock.now
        wire.close(byReset: isReset)
        #expect(await eventually { a.now.lost == [2] })
        #expect(a.now.lostAt.allSatisfy { $0 - start < .seconds(1) })
    }

    @Test func `a member that falls silent is lost, one that only pings is not`() async throws {
        let a = try await Member(1) {
            $0.pingInterval = .milliseconds(20)
            $0.silentIntervalsMax = 100
        }
        let silent = try RawSocket(connectedTo: a.port)
        silent.send(.hello, Greeting(lane: .raft, hello: PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5), session: 6))
        #expect(silent.receive() == .welcome)
        silent.send(.ping)
        #expect(await eventually { a.now.lost == [2] })
        #expect(a.book.lines(with: "silent").count == 1)

        let b = try await Member(3) { $0.pingInterval = .milliseconds(20) }
        a.transport.setPeers([b.peer()])
        #expect(await a.reaches(b, 1))
        let pings = b.counts.bytesReceived + 40 * 9
        #expect(await eventually { b.counts.bytesReceived > pings })
        #expect(a.now.lost == [2] && b.now.lost.isEmpty)
    }

    @Test func `a process that starts anew while its old connection still hangs is a loss first`() async throws {
        let a = try await Member(1) { $0.silentIntervalsMax = 1_000_000 }
        let old = try RawSocket(connectedTo: a.port)
        let hello = PeerHello(cluster: 7, from: 2, to: 1, incarnation: 5)
        old.send(.hello, Greeting(lane: .raft, hello: hello, session: 1))
        #expect(old.receive() == .welcome)
        old.send(.ping)
        #expect(await eventually { a.counts.connected == 1 })
        let same = try RawSocket(connectedTo: a.port)
        same.send(.hello, Greeting(lane: .raft, hello: hello, session: 1))
        #expect(same.receive() == .welcome)
        same.send(.ping)
        #expect(await eventually { a.counts.connected == 2 })
        #expect(old.isClosed())
        #expect(a.now.lost.isEmpty)
        let new = try RawSocket(connectedTo: a.port)
        new.send(.hello, Greeting(lane: .raft, hello: hello, session: 2))
        #expect(new.receive() == .welcome)
        new.send(.ping)
        #expect(await eventually { a.counts.connected == 3 })
        #expect(same.isClosed())
        #expect(a.now.lost == [2])
    }

    @Test func `a member that is no longer named is let go of, and that is no loss`() async throws {
        let isRemoved = Mutex(false)
        let (a, b) = (
            try await Member(1, admit: { hello in isRemoved.withLock { $0 } ? .removed(member: hello.from) : nil }), try await Member(2)
        )
        connect(a, b)
        #expect(await a.reaches(b, 1))
        #expect(await b.reaches(a, 1))
        isRemoved.withLock { $0 = true }
        a.transport.setPeers([])
        #expect(await eventually { b.now.lost == [1] && !b.book.lines(with: "it refuses us: member 2 was removed").isEmpty })
        let dropped = a.counts.messagesDropped
        a.send([2], to: 2)
        #expect(a.counts.messagesDropped == dropped + 1)
        #expect(a.now.lost.isEmpty)
    }
}
