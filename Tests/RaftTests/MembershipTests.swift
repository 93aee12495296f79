@testable import Raft
import Testing

@Suite struct MembershipTests {
    @Test func `a learner receives everything, counts for nothing, and is promoted`() {
        var net = Net.led(spare: [4])
        net.propose(1)
        net.settle()
        _ = net.change(1, .init(.addLearner, 4))
        net.settle()
        #expect(net.raft(1).configuration.learners == [4])
        net.run(ticks: 4)
        #expect(net.raft(4).configuration == net.raft(1).configuration, "it began with nothing and has the whole log")
        let commit = net.raft(1).commit
        net.propose(1)
        net.settle(lost: cut(2, 3))
        #expect(net.raft(4).last == net.raft(1).last)
        #expect(net.raft(1).commit == commit, "two of four, one of them a learner")
        net.run(ticks: 3)
        for _ in 0..<100 { net.step(4, .tick) }
        #expect(net.raft(4).role == .follower, "a learner never campaigns")
        net.run(ticks: 3)
        _ = net.change(1, .init(.addVoter, 4))
        net.run(ticks: 3)
        #expect(net.raft(4).configuration.voters == [1, 2, 3, 4])
        #expect(net.faults.isEmpty)
    }

    @Test func `one change at a time, and none that does not fit`() {
        var net = Net.led(spare: [4, 5])
        #expect(net.change(1).refused == .change(.isNotJoint))
        #expect(net.change(1, .init(.remove, 1), .init(.remove, 2), .init(.remove, 3)).refused == .change(.noVoters))
        let unreadable = net.step(1, .propose([Proposal(kind: .configuration, bytes: [9, 9])]))
        #expect(unreadable.refused == .change(.unreadable))
        #expect(net.change(1, .init(.addVoter, 4)).refused == nil)
        #expect(net.change(1, .init(.addVoter, 5)).refused == .changePending)
        net.settle()
        #expect(net.change(1, .init(.addVoter, 5)).refused == nil)
        net.settle()
        #expect(net.raft(1).configuration.voters == [1, 2, 3, 4, 5])
    }

    @Test func `a new leader takes no change before it has committed in its own term`() {
        var net = Net.led(spare: [4])
        net.crash(1)
        net.elect(2, lost: { if case .appendAnswer = $0.body { true } else { false } })
        #expect(net.change(2, .init(.addVoter, 4)).refused == .changePending)
        net.run(ticks: 3)
        #expect(net.change(2, .init(.addVoter, 4)).refused == nil)
    }

    @Test func `a joint configuration needs both majorities`() {
        var net = Net.led(spare: [4, 5])
        _ = net.change(1, .init(.addVoter, 4), .init(.addVoter, 5), .init(.remove, 2), .init(.remove, 3), transition: .explicit)
        net.run(ticks: 3)
        #expect(net.raft(1).configuration.description == "voters=(1 4 5)&&(1 2 3)")
        let commit = net.raft(1).commit
        net.propose(1)
        net.settle(lost: cut(4, 5))
        #expect(net.raft(1).commit == commit)
        net.run(ticks: 3)
        #expect(net.raft(1).commit == commit + 1)
        net.propose(1)
        net.settle(lost: cut(2, 3))
        #expect(net.raft(1).commit == commit + 1)
        net.run(ticks: 3)
        _ = net.change(1)
        net.run(ticks: 3)
        #expect(net.raft(1).configuration.description == "voters=(1 4 5)")
        #expect(net.faults.isEmpty)
    }

    @Test func `whoever leads next leaves the joint configuration that the crashed leader entered`() {
        var net = Net.led(spare: [4, 5])
        _ = net.change(1, .init(.addVoter, 4), .init(.addVoter, 5), .init(.remove, 3))
        // The leader dies as soon as the change is committed.
        while !net.raft(1).configuration.isJoint {
            for id in net.ids { net.persist(id) }
            let wire = net.take()
            for message in wire where !net.raft(1).configuration.isJoint { net.deliver(message) }
        }
        net.crash(1)
        net.run(ticks: 60)
        #expect(net.leader != nil)
        net.run(ticks: 10)
        #expect(net.raft(net.leader ?? 2).configuration.description == "voters=(1 2 4 5)")
        net.restart(1)
        net.run(ticks: 10)
        #expect(net.raft(1).configuration.description == "voters=(1 2 4 5)")
        #expect(net.faults.isEmpty)
    }

    @Test func `a removed leader steps down when the others know it, and one of them leads at once`() {
        var net = Net.led()
        _ = net.change(1, .init(.remove, 1))
        net.settle(lost: { if case .heartbeatAnswer = $0.body { true } else { false } })
        #expect(net.raft(1).configuration.voters == [2, 3])
        #expect(net.raft(1).role == .leader, "the others may not know yet")
        let refused = net.step(1, .propose([Proposal(bytes: [1])]))
        #expect(refused.refused == .notLeader(leader: nil))
        net.run(ticks: 4)
        #expect(net.raft(1).role == .follower)
        #expect(net.leader == 2 || net.leader == 3)
        net.propose(net.leader ?? 2)
        net.settle()
        #expect(net.names.count == 1)
        net.run(ticks: 100)
        #expect(net.raft(1).role == .follower, "who was removed never campaigns")
        #expect(net.faults.isEmpty)
    }

    @Test func `a change is refused where the members are others than those it was thought out for`() {
        var net = Net.led(voters: [1, 2, 3])
        let before = net.raft(1).configuration.digest
        net.step(1, .propose([Proposal(ConfigurationChange([.init(.remove, 3)], base: before))]))
        net.settle()
        #expect(net.raft(1).configuration.voters == [1, 2])
        let last = net.raft(2).log[net.raft(2).last.index]
        let written = ConfigurationChange(decoding: last.bytes)
        #expect(last.kind == .configuration && written == ConfigurationChange([.init(.remove, 3)]), "the log has it without")
        // Found right when there were three: of the two that are left it may be the only one that runs.
        let refused = net.step(1, .propose([Proposal(ConfigurationChange([.init(.remove, 2)], base: before))]))
        #expect(refused.refused == .change(.moved))
        net.settle()
        #expect(net.raft(1).configuration.voters == [1, 2])
        net.step(1, .propose([Proposal(ConfigurationChange([.init(.remove, 2)], base: net.raft(1).configuration.digest))]))
        net.settle()
        #expect(net.raft(1).configuration.voters == [1])
    }

    @Test func `a configuration is told from others by its digest`() {
        let all = [
            Configuration(), Configuration(voters: [1]), Configuration(voters: [1, 2]), Configuration(voters: [1], learners: [2]),
            Configuration(voters: [1], outgoing: [2]), Configuration(voters: [1], learnersNext: [2]), Configuration(outgoing: [1, 2]),
            Configuration(voters: [12]), Configuration(voters: [1 << 8]),
        ]
        #expect(Set(all.map(\.digest)).count == all.count)
        #expect(Configuration(voters: [2, 1]).digest == Configuration(voters: [1, 2]).digest)
    }

    @Test func `the removed leader of two does not leave the other without a majority`() {
        var net = Net.led(voters: [1, 2])
        _ = net.change(1, .init(.remove, 1))
        // The word that it is committed is lost at first.
        net.settle(lost: { message in if case .append(_, [], _) = message.body { true } else { false } })
        while net.raft(1).role == .leader { net.run(ticks: 1) }
        net.crash(1)
        net.run(ticks: 40)
        #expect(net.leader == 2)
        #expect(net.raft(2).configuration.voters == [2])
    }

    @Test func `a voter becomes a learner only when the joint configuration is left`() {
        var net = Net.led(spare: [4])
        _ = net.change(1, .init(.addVoter, 4), .init(.addLearner, 3), transition: .explicit)
        net.run(ticks: 3)
        #expect(net.raft(1).configuration.description == "voters=(1 2 4)&&(1 2 3) learners_next=(3)")
        _ = net.change(1)
        net.run(ticks: 3)
        #expect(net.raft(3).configuration.description == "voters=(1 2 4) learners=(3)")
    }

    @Test func `after a restart, all changes but the last in the log are known to be committed`() {
        let founding = ConfigurationChange.founding(Configuration(voters: [1, 2, 3]))
        let changes = [founding, ConfigurationChange([.init(.addVoter, 4)]), ConfigurationChange([.init(.addVoter, 5)])]
        let entries = changes.enumerated().map { at, change in
            Entry(index: UInt64(at + 1), term: 1, kind: .configuration, bytes: change.encoded)
        }
        var raft = Raft(id: 1, configuration: Configuration(), hardState: HardState(term: 1), entries: entries)
        let effects = raft.step(.start)
        #expect(effects.commit == 2)
        #expect(effects.configurations.map(\.configuration.voters) == [[1, 2, 3], [1, 2, 3, 4]])
        #expect(raft.configuration.voters == [1, 2, 3, 4])
    }

    /// The member that was replaced is shut off, and another has lost its disk: two of the three that are left go on, though one of them does not
    /// know any more that they are three (found by the simulator, seed 373874616).
    @Test func `who starts anew in a configuration that was left is told so by whom it asks for a vote`() {
        let replaced = ConfigurationChange([.init(.addVoter, 4), .init(.remove, 3)])
        let changes = [.founding(Configuration(voters: [1, 2, 3])), replaced, ConfigurationChange([])]
        var entries = changes.enumerated().map { at, change in
            Entry(index: UInt64(at + 1), term: 1, kind: .configuration, bytes: change.encoded)
        }
        entries.append(Entry(index: 4, term: 1, bytes: [1]))
        var raft = Raft(id: 1, configuration: Configuration(), hardState: HardState(term: 1), entries: entries)
        _ = raft.step(.start)
        #expect(raft.configuration.outgoing == [1, 2, 3])
        for _ in 0..<200 where raft.role != .preCandidate { _ = raft.step(.tick) }
        let term = raft.hardState.term
        func hear(_ body: Message.Body, _ ofTerm: UInt64) -> Effects { raft.step(.received(Message(from: 4, to: 1, term: ofTerm, body: body))) }
        _ = hear(.preVoteAnswer(granted: true), term + 1)
        _ = hear(.committed(Position(index: 3, term: 9)), term)
        _ = hear(.committed(Position(index: 9, term: 1)), term)
        #expect(raft.role == .preCandidate && !raft.configuration.outgoing.isEmpty, "two of the three before are not there")
        // Of whatever term it is.
        _ = hear(.committed(Position(index: 3, term: 1)), 0)
        #expect(raft.configuration.voters == [1, 2, 4] && raft.configuration.outgoing.isEmpty)
        #expect(raft.role == .candidate)
        // Votes are counted in one configuration.
        _ = hear(.committed(Position(index: 4, term: 1)), term)
        #expect(raft.commit == 3)
    }

    /// A learner was promoted, and who knows it has the shorter log; one of the two voters before is lost.
    @Test func `who is asked for a vote learns that it has one, or that the asker has`() {
        let changes = [ConfigurationChange.founding(Configuration(voters: [1, 2], learners: [3])), ConfigurationChange([.init(.addVoter, 3)])]
        var entries = changes.enumerated().map { at, change in
            Entry(index: UInt64(at + 1), term: 1, kind: .configuration, bytes: change.encoded)
        }
        // The last change in a log is not known to be committed after a start.
        func member(_ id: UInt64, _ entries: [Entry]) -> Raft {
            var raft = Raft(id: id, configuration: Configuration(), hardState: HardState(term: 1), entries: entries)
            _ = raft.step(.start)
            return raft
        }
        let short = entries
        entries.append(Entry(index: 3, term: 1, bytes: [1]))
        for (long, knowing) in [(1, 3), (3, 1)] as [(UInt64, UInt64)] {
            var members = [long: member(long, entries), knowing: member(knowing, short)]
            _ = members[knowing]?.step(.received(Message(from: long, to: knowing, term: 1, body: .committed(Position(index: 2, term: 1)))))
            #expect(members[knowing]?.configuration.voters == [1, 2, 3] && members[long]?.configuration.voters == [1, 2])
            var wire: [Message] = []
            for _ in 0..<400 where members[long]?.role != .leader {
                for id in [long, knowing] { wire += exchange(&members, id, .tick) }
                while !wire.isEmpty {
                    let message = wire.removeFirst()
                    if members[message.to] != nil { wire += exchange(&members, message.to, .received(message)) }
                }
            }
            #expect(members[long]?.role == .leader, "\(long) has all there is, and the other's vote")
        }
    }

    /// One step, and what it wants written is.
    private func exchange(_ members: inout [UInt64: Raft], _ id: UInt64, _ event: Event) -> [Message] {
        guard let effects = members[id]?.step(event) else { return [] }
        var sent = effects.send
        if let raft = members[id], effects.save != nil || !effects.append.isEmpty {
            sent += members[id]?.step(.persisted(raft.hardState, through: raft.last)).send ?? []
        }
        return sent
    }

    @Test func `nobody campaigns with a change that is committed and not applied`() {
        var net = Net.led(spare: [4])
        _ = net.change(1, .init(.addVoter, 4))
        net.settle(lost: cut(3))
        net.run(ticks: 1, lost: cut(3))
        // Member 3 gets the entry and the commit, and has not written them.
        for id in net.ids where id != 3 { net.step(id, .tick) }
        let term = net.raft(3).hardState.term
        let previous = Position(index: net.raft(3).last.index, term: net.raft(3).last.term)
        let entries = net.raft(1).entries(after: previous.index, through: net.raft(1).last.index)
        let body = Message.Body.append(previous: previous, entries: entries, commit: net.raft(1).commit)
        net.step(3, .received(Message(from: 1, to: 3, term: term, body: body)))
        for _ in 0..<40 { net.step(3, .tick) }
        #expect(net.raft(3).role == .follower)
        net.persist(3)
        for _ in 0..<40 { net.step(3, .tick) }
        #expect(net.raft(3).role == .preCandidate)
    }

    @Test func `a change is the same after it was written and read`() {
        let changes = [
            ConfigurationChange.leave,
            ConfigurationChange([.init(.addVoter, .max), .init(.addLearner, 1)], transition: .explicit),
            ConfigurationChange([.init(.remove, 7)], transition: .implicit, context: [1, 2, 3]),
            ConfigurationChange([.init(.remove, 7)], base: .max - 1, context: [1, 2, 3]),
            ConfigurationChange([.init(.addVoter, 2)], transition: .explicit, base: 0),
        ]
        for change in changes { #expect(ConfigurationChange(decoding: change.encoded) == change) }
        let bytes = changes[1].encoded
        for count in 0..<bytes.count { #expect(ConfigurationChange(decoding: Array(bytes.prefix(count))) == nil) }
        #expect(ConfigurationChange(decoding: [3, 0]) == nil)
        let based = changes[4].encoded
        for count in 0..<based.count { #expect(ConfigurationChange(decoding: Array(based.prefix(count))) == nil) }
        #expect(ConfigurationChange(decoding: [0, 1, 9] + [UInt8](repeating: 0, count: 8)) == nil)
    }
}
