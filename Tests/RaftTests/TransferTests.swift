@testable import Raft
import Testing

@Suite struct TransferTests {
    @Test func `leadership goes to a member that has everything, in one exchange`() {
        var net = Net.led()
        net.run(ticks: 2)
        let effects = net.step(1, .transfer(to: 3))
        #expect(effects.send.map(\.body) == [.timeoutNow])
        net.settle()
        #expect(net.leader == 3)
        #expect(net.raft(1).leader == 3)
        #expect(net.faults.isEmpty)
    }

    @Test func `a member that is behind is brought up first, and proposals are refused meanwhile`() {
        var net = Net.led()
        for _ in 0..<3 { net.propose(1) }
        net.settle(lost: cut(3))
        net.step(1, .transfer(to: 3))
        #expect(net.raft(1).transferee == 3)
        let refused = net.step(1, .propose([Proposal(bytes: [1])]))
        #expect(refused.refused == .transferring(to: 3) && refused.refusedCount == 1)
        net.run(ticks: 5)
        #expect(net.leader == 3)
        net.propose(3)
        net.settle()
        #expect(net.names.count == 4)
    }

    @Test func `a transfer to a member that is away is given up after an election's time`() {
        var net = Net.led()
        net.propose(1)
        net.settle(lost: cut(3))
        net.step(1, .transfer(to: 3))
        net.run(ticks: 10, lost: cut(3))
        #expect(net.raft(1).transferee == nil)
        #expect(net.leader == 1)
        net.propose(1)
        net.settle(lost: cut(3))
        #expect(net.names.count == 2)
    }

    @Test func `only a leader hands over, and only to a voter`() {
        var net = Net.led(spare: [4])
        #expect(net.step(2, .transfer(to: 3)).refused == .notLeader(leader: 1))
        #expect(net.step(1, .transfer(to: 4)).refused == .notVoter(4))
        #expect(net.step(1, .transfer(to: 1)) == Effects())
        #expect(net.raft(1).transferee == nil)
    }
}
