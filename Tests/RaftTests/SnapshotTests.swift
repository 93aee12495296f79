@testable import Raft
import Testing

@Suite struct SnapshotTests {
    /// A leader that has let go of what member 3 needs.
    private func behind() -> Net {
        var net = Net.led { $0.retainedBytesMax = 200 }
        for _ in 0..<20 { net.propose(1) }
        net.settle(lost: cut(3))
        net.propose(1)
        net.settle(lost: cut(3))
        return net
    }

    /// Goes on until the leader wants a snapshot for member 3, which is not sent yet.
    private func untilWanted(_ net: inout Net) {
        for _ in 0..<20 where net.nodes[1]!.snapshots.isEmpty {
            net.step(1, .tick)
            for message in net.take() { net.deliver(message) }
        }
        net.take()
        #expect(net.nodes[1]!.snapshots == [3])
    }

    @Test func `a member that needs entries which are gone gets a snapshot, and then the log`() {
        var net = behind()
        #expect(net.raft(1).base.index > net.raft(3).last.index)
        let last = net.raft(1).last
        net.run(ticks: 5)
        #expect(net.raft(3).applied == last.index)
        #expect(net.raft(1).progress(of: 3)?.state == .replicate)
        net.propose(1)
        net.settle()
        #expect(net.raft(3).last == net.raft(1).last)
        #expect(net.nodes[3]!.base.index >= last.index - 1)
        #expect(net.faults.isEmpty)
    }

    @Test func `nothing is sent to who waits for a snapshot, and what follows it is kept`() {
        var net = behind()
        untilWanted(&net)
        let applied = net.raft(1).applied
        for _ in 0..<6 {
            net.propose(1)
            for id in [1, 2] as [UInt64] { net.persistAll(id) }
            let wire = net.take()
            #expect(!wire.contains { if case .append = $0.body { $0.to == 3 } else { false } })
            for message in wire where message.to != 3 { net.deliver(message) }
        }
        #expect(net.raft(1).base.index <= applied)
        net.settle()
        #expect(net.raft(3).last == net.raft(1).last)
    }

    @Test func `a snapshot that failed is wanted again when the member is heard`() {
        var net = behind()
        untilWanted(&net)
        net.sendSnapshot(1, succeeds: false)
        #expect(net.nodes[1]!.snapshots.isEmpty)
        net.run(ticks: 6)
        #expect(net.raft(3).applied == net.raft(1).applied)
    }

    @Test func `a snapshot that fails is wanted again at the pace of heartbeats, however often the member is heard`() {
        var net = behind()
        untilWanted(&net)
        net.sendSnapshot(1, succeeds: false)
        func readAlone(_ number: Int) {
            net.step(1, .read(UInt64(number)))
            for _ in 0..<2 { for message in net.take() { net.deliver(message) } }
        }
        for number in 0..<50 { readAlone(number) }
        #expect(net.nodes[1]!.snapshots.isEmpty, "no time has passed")
        for _ in 0..<net.raft(1).options.heartbeatTicks { net.step(1, .tick) }
        // It is asked first whether it has all by now.
        for number in 50..<53 { readAlone(number) }
        #expect(!net.nodes[1]!.snapshots.isEmpty)
    }

    @Test func `a snapshot of what is here already only tells the commit`() {
        let entries = (1...3).map { Entry(index: UInt64($0), term: 1, bytes: [1]) }
        let configuration = Configuration(voters: [1, 2, 3])
        var raft = Raft(id: 3, configuration: configuration, hardState: HardState(term: 1), entries: entries)
        func snapshot(_ index: UInt64, _ term: UInt64) -> Effects {
            let head = SnapshotHead(position: Position(index: index, term: term), configuration: configuration)
            return raft.step(.received(Message(from: 1, to: 3, term: 2, body: .snapshot(head))))
        }
        let known = snapshot(2, 1)
        #expect(known.restore == nil && known.commit == 2)
        let old = snapshot(1, 1)
        #expect(old.restore == nil && old.commit == nil)
        let other = snapshot(3, 2)
        #expect(other.restore?.position == Position(index: 3, term: 2))
        #expect(other.send.isEmpty, "it is acknowledged when it is durable")
        let durable = raft.step(.persisted(raft.hardState, through: Position(index: 3, term: 2)))
        #expect(durable.send.map(\.body).contains(.appendAnswer(matched: 3)))
    }
}
