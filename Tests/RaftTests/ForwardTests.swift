@testable import Raft
import Testing

@Suite struct ForwardTests {
    @Test func `a follower's proposals go to its leader, and an earlier copy is the only one that counts`() throws {
        var net = Net.led()
        let effects = net.step(2, .propose([Proposal(bytes: Net.bytes(1)), Proposal(bytes: Net.bytes(2))]))
        let sent = try #require(effects.forwarded)
        #expect(sent.leader == 1 && sent.term == net.raft(1).hardState.term)
        let copy = try #require(net.wire.first)
        net.wire += [copy, copy]
        net.settle()
        net.deliver(copy)
        net.settle()
        #expect(net.names == [1, 2])
        #expect(net.faults.isEmpty)
    }

    @Test func `after as many forwards as have numbers, the next ones are taken as well`() throws {
        var net = Net.led()
        net.nodes[2]?.raft.sequence = UInt64(UInt32.max) - 2
        for _ in 0..<6 {
            net.propose(2)
            net.settle()
        }
        #expect(net.names.count == 6)
        #expect(net.faults.isEmpty)
    }

    @Test func `a forward of an earlier term is never taken`() throws {
        var net = Net.led()
        net.step(2, .propose([Proposal(bytes: Net.bytes(1))]))
        let late = net.take()
        net.step(1, .transfer(to: 3))
        net.settle()
        net.step(3, .transfer(to: 1))
        net.settle()
        #expect(net.leader == 1)
        for message in late { net.deliver(message) }
        net.settle()
        #expect(net.names.isEmpty)
    }

    @Test func `what a leader refuses is told, and who may have taken a copy says nothing`() throws {
        var net = Net.led { $0.uncommittedBytesMax = 6 }
        let effects = net.step(2, .propose([Proposal(bytes: Net.bytes(1)), Proposal(bytes: Net.bytes(2))]))
        let sent = try #require(effects.forwarded)
        let message = try #require(net.wire.first)
        let answer = net.step(1, .received(message)).send.last
        #expect(answer?.body == .forwardRefused(sequence: sent.sequence, count: 1, refusal: .uncommittedBytes(bytesMax: 6)))
        let told = try net.step(2, .received(#require(answer)))
        #expect(told.refusedForwards.map(\.count) == [1])
        // It steps down within its term.
        net.take()
        for _ in 0..<20 { net.step(1, .tick) }
        #expect(net.raft(1).role != .leader)
        net.take()
        let silent = net.step(1, .received(message))
        #expect(silent.send.isEmpty)
        let stranger = net.step(3, .received(Message(from: 2, to: 3, term: message.term, body: message.body)))
        #expect(stranger.send.map(\.body) == [.forwardRefused(sequence: sent.sequence, count: 2, refusal: .notLeader(leader: 1))])
    }

    @Test func `a process that restarts within a term is heard again`() {
        var net = Net.led()
        net.propose(2)
        net.propose(2)
        net.settle()
        net.crash(2)
        net.restart(2)
        net.run(ticks: 3)
        net.propose(2)
        net.settle()
        #expect(net.names == [1, 2, 3])
    }

    @Test func `without a leader proposals are refused by name`() {
        var net = Net(seed: 1, voters: [1, 2, 3])
        let effects = net.step(1, .propose([Proposal(bytes: [1])]))
        #expect(effects.refused == .notLeader(leader: nil))
        #expect(effects.refusedCount == 1)
        #expect(effects.append.isEmpty && effects.send.isEmpty)
    }
}
