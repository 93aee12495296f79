@testable import Raft
import Testing

@Suite struct ElectionTests {
    @Test func `a single voter elects itself at once, in a new term, when its vote is saved`() {
        let old = (1...9).map { Entry(index: UInt64($0), term: 4, bytes: [1]) }
        var raft = Raft(
            id: 1, configuration: Configuration(voters: [1]), hardState: HardState(term: 4, vote: 1), entries: old, commit: 7)
        let start = raft.step(.start)
        #expect(start.save == HardState(term: 5, vote: 1))
        #expect(start.standing == .init(role: .candidate, leader: nil, term: 5))
        #expect(start.append.isEmpty)
        let saved = raft.step(.persisted(HardState(term: 5, vote: 1), through: Position(index: 9, term: 4)))
        #expect(saved.standing?.role == .leader)
        #expect(saved.append == [Entry(index: 10, term: 5, bytes: [])])
        #expect(saved.commit == nil, "entries of earlier terms are not committed by being counted")
        let opened = raft.step(.persisted(HardState(term: 5, vote: 1), through: Position(index: 10, term: 5)))
        #expect(opened.commit == 10)
    }

    @Test func `a group that starts at once elects one leader within a few election times`() {
        for seed in UInt64(0)..<50 {
            var net = Net(seed: seed, voters: [1, 2, 3, 4, 5])
            net.run(ticks: 40)
            #expect(net.leader != nil)
            #expect(net.faults.isEmpty)
        }
    }

    @Test func `who has not met all that begin the group with it does not campaign, and votes for one that has`() {
        var options = Raft.Options()
        options.isFounding = true
        let founding = Configuration(voters: [1, 2, 3])
        let first = Entry(index: 1, term: 1, kind: .configuration, bytes: [])
        func member(_ id: UInt64) -> Raft {
            Raft(id: id, configuration: founding, hardState: HardState(term: 1), entries: [first], commit: 1, options: options)
        }
        var one = member(1)
        _ = one.step(.start)
        for _ in 0..<100 { #expect(one.step(.tick) == Effects()) }
        // It votes, and from then on there is one who had met all.
        let vote = one.step(.received(Message(from: 2, to: 1, term: 2, body: .voteRequest(last: one.last, isTransfer: false))))
        #expect(vote.save == HardState(term: 2, vote: 2) && !one.isFounding)
        // Met all: within two election times it asks.
        var three = member(3)
        _ = three.step(.start)
        for _ in 0..<100 { _ = three.step(.tick) }
        _ = three.step(.founded)
        var asked: [Message] = []
        for _ in 0..<2 * options.electionTicks { asked += three.step(.tick).send }
        #expect(asked.contains { $0.body == .preVoteRequest(last: three.last) })
    }

    @Test func `voters that were not there are asked again within a heartbeat`() {
        var net = Net(seed: 3, voters: [1, 2, 3])
        net.settle()
        for id in [2, 3] as [UInt64] { net.nodes[id]!.raft.sinceHeard = 99 }
        while net.raft(1).role != .preCandidate { net.step(1, .tick) }
        #expect(net.take().count == 4)
        let beat = net.raft(1).options.heartbeatTicks
        for _ in 0..<beat { net.step(1, .tick) }
        #expect(net.wire.count == 4, "both again, with what is committed beside it")
        net.settle(lost: { if case .voteRequest = $0.body { true } else { false } })
        #expect(net.raft(1).role == .candidate, "its requests were lost")
        for _ in 0..<beat { net.step(1, .tick) }
        net.settle()
        #expect(net.raft(1).role == .leader)
        #expect(net.faults.isEmpty)
    }

    @Test func `a member that was cut off raises no term and deposes nobody when it is back`() {
        var net = Net.led()
        let term = net.raft(1).hardState.term
        net.run(ticks: 200, lost: cut(3))
        #expect(net.raft(3).hardState.term == term)
        net.run(ticks: 20)
        #expect(net.leader == 1)
        #expect(net.raft(1).hardState.term == term)
    }

    @Test func `a leader that hears no quorum steps down, and the others have elected another`() {
        var net = Net.led()
        net.run(ticks: 50, lost: cut(1))
        #expect(net.raft(1).role != .leader)
        let leader = net.leader
        #expect(leader == 2 || leader == 3)
        #expect(net.raft(1).leader == nil)
        net.run(ticks: 20)
        #expect(net.raft(1).leader == leader)
    }

    @Test func `who hears its leader ignores vote requests, unless the leader asked for them`() {
        var net = Net.led()
        net.run(ticks: 2)
        let (last, term) = (net.raft(2).last, net.raft(2).hardState.term)
        func request(_ isTransfer: Bool) -> Event {
            .received(Message(from: 3, to: 2, term: term + 5, body: .voteRequest(last: last, isTransfer: isTransfer)))
        }
        let ignored = net.step(2, request(false))
        #expect(ignored == Effects())
        let preVote = net.step(2, .received(Message(from: 3, to: 2, term: term + 5, body: .preVoteRequest(last: last))))
        let known = Position(index: net.raft(2).commit, term: term)
        #expect(preVote.send == [.preVoteAnswer(granted: false), .committed(known)].map { Message(from: 2, to: 3, term: term, body: $0) })
        let granted = net.step(2, request(true))
        #expect(granted.save == HardState(term: term + 5, vote: 3))
        #expect(granted.send.isEmpty, "a vote leaves when it is saved")
        net.persist(2)
        #expect(net.wire.last == Message(from: 2, to: 3, term: term + 5, body: .voteAnswer(granted: true)))
    }

    @Test func `a member votes once in a term, over a restart too`() {
        var net = Net(seed: 1, voters: [1, 2, 3])
        let last = Position(index: 9, term: 8)
        let request = { Message(from: $0, to: 1, term: 9, body: .voteRequest(last: last, isTransfer: false)) }
        net.step(1, .received(request(2)))
        net.persist(1)
        net.crash(1)
        net.restart(1)
        let other = net.step(1, .received(request(3)))
        #expect(other.send == [Message(from: 1, to: 3, term: 9, body: .voteAnswer(granted: false))])
        let same = net.step(1, .received(request(2)))
        #expect(same.send == [Message(from: 1, to: 2, term: 9, body: .voteAnswer(granted: true))])
    }

    @Test func `a member whose log is behind wins no vote`() {
        var net = Net.led()
        net.propose(1)
        net.settle(lost: cut(3))
        net.crash(1)
        for _ in 0..<100 {
            net.step(3, .tick)
            net.settle()
        }
        #expect(net.raft(3).role != .leader)
        net.run(ticks: 40)
        #expect(net.leader == 2)
        #expect(net.faults.isEmpty)
    }

    @Test func `members whose connection to the leader broke elect another within a few ticks`() {
        for seed in UInt64(0)..<20 {
            var net = Net(seed: seed, voters: [1, 2, 3])
            net.elect(1)
            net.run(ticks: 3)
            net.crash(1)
            net.step(2, .lost(1))
            net.step(3, .lost(1))
            net.run(ticks: 4)
            #expect(net.leader != nil, "seed \(seed)")
        }
    }

    @Test func `a member that saved a higher term than the leader's comes back`() {
        var net = Net.led()
        // It campaigned, and nobody heard it.
        net.step(3, .received(Message(from: 1, to: 3, term: net.raft(3).hardState.term, body: .timeoutNow)))
        net.settle(lost: cut(3))
        #expect(net.raft(3).hardState.term > net.raft(1).hardState.term)
        net.run(ticks: 60)
        let leader = net.leader
        #expect(leader != nil)
        #expect([1, 2, 3].allSatisfy { net.raft($0).leader == leader })
        net.propose(1)
        net.run(ticks: 10)
        #expect(net.names == [1])
    }

    @Test func `a member under repair neither votes nor campaigns`() {
        var net = Net(seed: 3, voters: [1, 2, 3]) { $0.isRepairing = true }
        net.run(ticks: 100)
        #expect(net.leader == nil)
        #expect([1, 2, 3].allSatisfy { net.raft($0).hardState.term == 1 })
        for id in net.ids { net.step(id, .repaired) }
        net.run(ticks: 40)
        #expect(net.leader != nil)
    }

    @Test func `a paused member does not campaign before it has read what waits for it`() {
        var net = Net.led()
        for _ in 0..<9 { net.step(2, .tick) }
        net.step(2, .gap)
        for _ in 0..<9 { net.step(2, .tick) }
        #expect(net.raft(2).role == .follower)
    }
}
