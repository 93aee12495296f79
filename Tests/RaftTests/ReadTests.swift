@testable import Raft
import Testing

@Suite struct ReadTests {
    private func rounds(_ messages: [Message]) -> Set<UInt64> {
        Set(messages.compactMap { if case .heartbeat(_, let round) = $0.body { round } else { nil } })
    }

    @Test func `a read is answered when a majority has confirmed the leader since it was asked`() {
        var net = Net.led()
        let asked = net.step(1, .read(5))
        #expect(asked.reads.isEmpty)
        let beats = net.take()
        #expect(rounds(beats).count == 1)
        for beat in beats where beat.to == 2 { net.deliver(beat) }
        let answer = net.take()
        let done = net.step(1, .received(answer[0]))
        #expect(done.reads == [.init(id: 5, index: net.raft(1).commit)])
    }

    @Test func `reads that come during a round share the next one`() {
        var net = Net.led()
        net.step(1, .read(1))
        let first = net.take()
        for id in 2...50 as ClosedRange<UInt64> { net.step(1, .read(id)) }
        #expect(net.wire.isEmpty)
        net.wire = first
        var done: [UInt64] = []
        while let message = net.wire.first {
            net.wire.removeFirst()
            done += net.step(message.to, .received(message)).reads.map(\.id)
            #expect(done.count < 2 || net.raft(1).leading.round == net.raft(1).leading.confirmed)
        }
        #expect(done == Array(1...50))
        #expect(net.raft(1).leading.round <= 3)
    }

    @Test func `a leader that was deposed without knowing it answers no read`() {
        var net = Net.led()
        net.step(1, .read(1))
        net.take()
        net.run(ticks: 9, lost: cut(1))
        net.nodes[1]!.raft.leading.sinceQuorumCheck = 0
        net.elect(2, lost: cut(1))
        net.propose(2)
        net.settle(lost: cut(1))
        #expect(net.raft(1).role == .leader, "nothing told it yet")
        let asked = net.step(1, .read(2))
        #expect(asked.reads.isEmpty)
        while net.wire.isEmpty { net.step(1, .tick) }
        var failed: [UInt64] = []
        let wire = net.take()
        for message in wire { net.deliver(message) }
        let answers = net.take()
        for message in answers {
            let effects = net.step(1, .received(message))
            #expect(effects.reads.isEmpty)
            failed += effects.readsFailed
        }
        #expect(failed == [1, 2])
        #expect(net.raft(1).role == .follower)
    }

    @Test func `a new leader answers no read before an entry of its own term is committed`() {
        var net = Net.led()
        net.crash(1)
        net.elect(2, lost: { if case .appendAnswer = $0.body { true } else { false } })
        net.take()
        let asked = net.step(2, .read(1))
        #expect(asked.reads.isEmpty && asked.readsFailed.isEmpty)
        #expect(asked.send.isEmpty)
        net.reads[1] = 0
        net.run(ticks: 5)
        #expect(net.readsDone == 1)
    }

    @Test func `a follower asks its leader, once for many`() {
        var net = Net.led()
        net.propose(1)
        net.settle()
        net.read(2)
        for _ in 0..<9 { net.read(2) }
        #expect(net.wire.count == 1)
        net.settle()
        #expect(net.readsDone == 10)
        net.read(3)
        net.take()
        net.run(ticks: 5)
        #expect(net.readsDone == 11, "a question that was lost is asked again")
        #expect(net.faults.isEmpty)
    }

    @Test func `a follower's reads fail when its leader is lost or unknown`() {
        var net = Net.led()
        net.step(2, .read(1))
        net.step(2, .read(2))
        let lost = net.step(2, .lost(1))
        #expect(lost.readsFailed == [1, 2])
        let unknown = net.step(2, .read(3))
        #expect(unknown.readsFailed == [3])
    }

    @Test func `after a pause a leader is not sure of itself until a majority confirms it`() {
        var net = Net.led()
        #expect(net.raft(1).isVerified)
        let beats = rounds(net.step(1, .gap).send)
        #expect(!beats.isEmpty)
        #expect(!net.raft(1).isVerified)
        net.settle()
        #expect(net.raft(1).isVerified)
        #expect(!net.raft(2).isVerified)
    }

    @Test func `a lease answers at once, and a pause, a transfer or silence end it`() {
        var net = Net.led { $0.leaseReads = true }
        net.run(ticks: 3)
        let leased = net.step(1, .read(1))
        #expect(leased.reads.count == 1 && leased.send.isEmpty)
        net.step(1, .gap)
        let paused = net.step(1, .read(2))
        #expect(paused.reads.isEmpty)
        net.run(ticks: 3)
        #expect(net.step(1, .read(3)).reads.count == 1)
        net.run(ticks: 6, lost: cut(1))
        #expect(net.step(1, .read(4)).reads.isEmpty)
        net.run(ticks: 3)
        #expect(net.step(1, .read(5)).reads.count == 1)
        net.step(1, .transfer(to: 2))
        #expect(net.step(1, .read(6)).reads.isEmpty)
    }

    @Test func `where leases are used, nobody elects another leader while one may run`() {
        var net = Net.led { $0.leaseReads = true }
        net.run(ticks: 3)
        net.step(2, .lost(1))
        net.crash(3)
        net.restart(3)
        for _ in 0..<5 {
            net.step(2, .tick)
            net.step(3, .tick)
            net.settle(lost: cut(1))
        }
        #expect(net.raft(2).role == .follower)
        let last = Position(index: 99, term: 99)
        let asked = net.step(3, .received(Message(from: 2, to: 3, term: 50, body: .voteRequest(last: last, isTransfer: false))))
        #expect(asked == Effects(), "it restarted, and may have promised its patience before")
    }

    @Test func `a single voter answers without asking`() {
        var net = Net.led(voters: [1])
        let read = net.step(1, .read(1))
        #expect(read.reads == [.init(id: 1, index: net.raft(1).commit)])
    }
}
