@testable import Raft
import Simulation
import Testing

@Suite struct RaftTests {
    private func member(_ state: HardState = HardState(), last: Position = .start, commit: UInt64 = 0) -> Raft {
        Raft(id: 1, voters: [1], hardState: state, last: last, commit: commit)
    }

    private func leader(options: Raft.Options = .init()) -> Raft {
        var raft = Raft(id: 1, voters: [1], hardState: HardState(), last: .start, commit: 0, options: options)
        _ = raft.step(.start)
        _ = raft.step(.persisted(raft.hardState, through: raft.last))
        _ = raft.step(.persisted(raft.hardState, through: raft.last))
        return raft
    }

    @Test func `a single voter elects itself at once, in a new term, when its vote is saved`() {
        var raft = member(HardState(term: 4, vote: 1), last: Position(index: 9, term: 4), commit: 7)
        let start = raft.step(.start)
        #expect(start.save == HardState(term: 5, vote: 1))
        #expect(start.role == .candidate)
        #expect(start.append.isEmpty)
        let saved = raft.step(.persisted(HardState(term: 5, vote: 1), through: Position(index: 9, term: 4)))
        #expect(saved.role == .leader)
        #expect(saved.append == [Entry(index: 10, term: 5, bytes: [])])
        #expect(saved.commit == nil, "entries of earlier terms are not committed by being counted")
        let opened = raft.step(.persisted(HardState(term: 5, vote: 1), through: Position(index: 10, term: 5)))
        #expect(opened.commit == 10)
    }

    @Test func `a proposal commits when it is persisted and not before`() {
        var raft = leader()
        let proposed = raft.step(.propose([[1], [2]]))
        #expect(proposed.append.map(\.index) == [2, 3])
        #expect(proposed.commit == nil)
        let half = raft.step(.persisted(raft.hardState, through: Position(index: 2, term: 1)))
        #expect(half.commit == 2)
        let all = raft.step(.persisted(raft.hardState, through: Position(index: 3, term: 1)))
        #expect(all.commit == 3)
    }

    @Test func `proposals before the election are refused by name`() {
        var raft = member()
        let effects = raft.step(.propose([[1]]))
        #expect(effects.refused == .notLeader(leader: nil))
        #expect(effects.refusedCount == 1)
        #expect(effects.append.isEmpty)
    }

    @Test func `uncommitted bytes are capped, and room returns with the commit`() {
        var options = Raft.Options()
        options.uncommittedBytesMax = 10
        var raft = leader(options: options)
        let command = [UInt8](repeating: 7, count: 4)
        let first = raft.step(.propose([command, command, command]))
        #expect(first.append.count == 2)
        #expect(first.refused == .uncommittedBytes(bytesMax: 10))
        #expect(first.refusedCount == 1)
        let full = raft.step(.propose([command]))
        #expect(full.refusedCount == 1)
        _ = raft.step(.persisted(raft.hardState, through: raft.last))
        let huge = raft.step(.propose([[UInt8](repeating: 7, count: 99)]))
        #expect(huge.append.count == 1, "one proposal is always let in")
    }

    @Test func `messages of strangers change nothing`() {
        var raft = leader()
        let effects = raft.step(.received(Message(from: 9, to: 1, term: 99, body: .voteRequest(last: .start))))
        #expect(effects == Effects())
        #expect(raft.hardState.term == 1)
    }

    /// A disk of one member: what was asked for in order, and how much of it a crash leaves.
    private struct Member {
        var raft: Raft
        var asked: [(HardState, [Entry])] = []
        var state = HardState()
        var entries: [Entry] = []

        mutating func take(_ effects: Effects) {
            if effects.save != nil || !effects.append.isEmpty {
                asked.append((effects.save ?? asked.last?.0 ?? state, effects.append))
            }
        }

        mutating func persist() -> Event? {
            guard !asked.isEmpty else { return nil }
            let (next, more) = asked.removeFirst()
            state = next
            entries += more
            return .persisted(state, through: entries.last?.position ?? .start)
        }
    }

    @Test func `nothing committed is lost, whatever is proposed, persisted and crashed when`() {
        for seed in UInt64(0)..<3000 {
            var dice = SimulatedDisk.Dice(seed: seed)
            var it = Member(raft: member())
            it.take(it.raft.step(.start))
            var committed: [Entry] = []
            var term: UInt64 = 0
            for _ in 0..<60 {
                var effects = Effects()
                switch Int.random(in: 0..<10, using: &dice) {
                case 0..<4: effects = it.raft.step(.propose((0..<Int.random(in: 1...3, using: &dice)).map { [UInt8($0)] }))
                case 4..<8: if let event = it.persist() { effects = it.raft.step(event) }
                case 8: effects = it.raft.step(.tick)
                default:
                    it.asked = []
                    it.raft = Raft(
                        id: 1, voters: [1], hardState: it.state, last: it.entries.last?.position ?? .start,
                        commit: UInt64(Int.random(in: 0...committed.count, using: &dice)))
                    effects = it.raft.step(.start)
                }
                it.take(effects)
                #expect(it.raft.hardState.term >= term, "seed \(seed): the term fell")
                term = it.raft.hardState.term
                guard let commit = effects.commit else { continue }
                #expect(commit <= UInt64(it.entries.count), "seed \(seed): commit \(commit) passes what is durable")
                let now = Array(it.entries.prefix(Int(commit)))
                #expect(Array(now.prefix(committed.count)) == committed, "seed \(seed): a committed entry changed")
                #expect(now.enumerated().allSatisfy { $1.index == UInt64($0 + 1) }, "seed \(seed): an index is missing")
                #expect(zip(now, now.dropFirst()).allSatisfy { $0.term <= $1.term }, "seed \(seed): terms fall in the log")
                if now.count > committed.count { committed = now }
            }
        }
    }

    @Test func `no term has two leaders, and no vote leaves before it is saved`() {
        for seed in UInt64(0)..<1500 {
            var dice = SimulatedDisk.Dice(seed: seed)
            let ids: [UInt64] = [1, 2, 3]
            var members = ids.map { Member(raft: Raft(id: $0, voters: ids, hardState: HardState(), last: .start, commit: 0)) }
            var wire: [Message] = []
            var leaders: [UInt64: UInt64] = [:]
            for _ in 0..<300 {
                let at = Int.random(in: 0..<3, using: &dice)
                var effects = Effects()
                switch Int.random(in: 0..<12, using: &dice) {
                case 0..<3: effects = members[at].raft.step(.tick)
                case 3..<6: if let event = members[at].persist() { effects = members[at].raft.step(event) }
                case 11 where Int.random(in: 0..<5, using: &dice) == 0:
                    members[at].asked = []
                    members[at].raft = Raft(
                        id: ids[at], voters: ids, hardState: members[at].state,
                        last: members[at].entries.last?.position ?? .start, commit: 0)
                default:
                    guard !wire.isEmpty else { continue }
                    let message = wire.remove(at: Int.random(in: 0..<wire.count, using: &dice))
                    let to = Int(message.to) - 1
                    effects = members[to].raft.step(.received(message))
                    members[to].take(effects)
                    check(effects, members[to], seed)
                    wire += effects.send
                    record(members[to].raft, &leaders, seed)
                    continue
                }
                members[at].take(effects)
                check(effects, members[at], seed)
                wire += effects.send
                record(members[at].raft, &leaders, seed)
            }
        }
    }

    private func check(_ effects: Effects, _ member: Member, _ seed: UInt64) {
        for message in effects.send {
            #expect(message.term <= member.state.term, "seed \(seed): a message of term \(message.term) left before its save")
            if message.body == .voteAnswer(granted: true) {
                #expect(member.state == HardState(term: message.term, vote: message.to), "seed \(seed): an unsaved vote left")
            }
        }
        #expect(effects.commit == nil, "seed \(seed): committed without the others")
    }

    private func record(_ raft: Raft, _ leaders: inout [UInt64: UInt64], _ seed: UInt64) {
        guard raft.role == .leader else { return }
        let other = leaders.updateValue(raft.id, forKey: raft.hardState.term)
        #expect(other == nil || other == raft.id, "seed \(seed): term \(raft.hardState.term) led by two")
    }
}
