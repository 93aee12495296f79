import Bytes
import Host
import Raft
@testable import Replica
import Simulation
import Testing

/// A peer with a good certificate that says anything at all, as long as it is well-formed: nothing of it may end this
/// process, and what cannot be is counted.
@Suite struct HostileTests {
    /// Draws messages, numbers near those that matter and near every edge.
    private struct Liar {
        var dice: SimulatedDisk.Dice
        var from: UInt64
        var to: UInt64
        var term: UInt64
        var last: UInt64
        var commit: UInt64

        mutating func roll(_ count: Int) -> Int { Int.random(in: 0..<count, using: &dice) }

        mutating func number(near some: UInt64) -> UInt64 {
            switch roll(10) {
            case 0: 0
            case 1: 1
            case 2: .max
            case 3: UInt64.max - UInt64(roll(3))
            case 4: UInt64(1) << 63
            case 5: (UInt64(1) << 62) - UInt64(roll(2))
            case 6: UInt64(1) << UInt64(roll(63))
            default: some &+ UInt64(roll(7)) &- 3
            }
        }

        mutating func index() -> UInt64 { number(near: roll(2) == 0 ? last : commit) }
        mutating func position() -> Position { Position(index: index(), term: number(near: term)) }
        mutating func bytes(_ most: Int = 40) -> [UInt8] { (0..<roll(most)).map { _ in UInt8(roll(256)) } }

        mutating func entry(_ index: UInt64, _ term: UInt64) -> Entry {
            let isChange = roll(4) == 0
            return Entry(index: index, term: term, kind: isChange ? .configuration : .command, bytes: isChange ? change() : bytes())
        }

        mutating func change() -> [UInt8] {
            if roll(3) == 0 { return bytes() }
            let kinds: [ConfigurationChange.Step.Kind] = [.addVoter, .addLearner, .remove]
            let steps = (0..<roll(4)).map { _ in ConfigurationChange.Step(kinds[roll(3)], UInt64(roll(6))) }
            return ConfigurationChange(steps, context: bytes()).encoded
        }

        mutating func entries() -> [Entry] {
            var at = index()
            var of = number(near: term)
            return (0..<roll(5)).map { _ in
                at = roll(8) == 0 ? index() : at &+ 1
                of = roll(8) == 0 ? number(near: term) : of
                return entry(at, of)
            }
        }

        /// Entries that follow each other and the previous position, as a leader would send them, of terms that may fall.
        mutating func append() -> Message.Body {
            let previous = roll(3) == 0 ? position() : Position(index: UInt64(roll(Int(last) + 3)), term: UInt64(roll(Int(min(term, 1000)) + 2)))
            if roll(4) == 0 { return .append(previous: previous, entries: entries(), commit: index()) }
            var of = previous.term
            let count = UInt64(roll(6))
            let entries = (0..<count).map { at in
                if roll(4) == 0 { of = UInt64(roll(Int(min(term, 1000)) + 2)) }
                return entry(previous.index &+ 1 &+ at, of)
            }
            return .append(previous: previous, entries: entries, commit: index())
        }

        mutating func body() -> Message.Body {
            switch roll(16) {
            case 0: .preVoteRequest(last: position())
            case 1: .preVoteAnswer(granted: roll(2) == 0)
            case 2: .voteRequest(last: position(), isTransfer: roll(2) == 0)
            case 3: .voteAnswer(granted: roll(2) == 0)
            case 4...8: append()
            case 9: .appendAnswer(matched: index())
            case 10: .appendRefused(rejected: index(), hint: position())
            case 11: roll(4) == 0 ? .committed(position()) : roll(2) == 0 ? .commit(index()) : .heartbeat(commit: index(), round: number(near: 3))
            case 12: .heartbeatAnswer(round: number(near: 3), matched: index())
            case 13: roll(2) == 0 ? .readRequest(id: number(near: 3)) : .readAnswer(id: number(near: 3), index: roll(2) == 0 ? nil : index())
            case 14: roll(3) == 0 ? .timeoutNow : .forward(sequence: number(near: 3), proposals: proposals())
            default: .forwardRefused(sequence: number(near: 3), count: roll(2) == 0 ? 1 : Int.max, refusal: refusal())
            }
        }

        mutating func proposals() -> [Proposal] {
            (0..<roll(4)).map { _ in
                roll(3) == 0 ? Proposal(kind: .configuration, bytes: change()) : Proposal(bytes: bytes())
            }
        }

        mutating func refusal() -> Refusal {
            switch roll(6) {
            case 0: .notLeader(leader: UInt64(1 + roll(5)))
            case 1: .uncommittedBytes(bytesMax: roll(2) == 0 ? 0 : Int.max)
            case 2: .transferring(to: number(near: 2))
            case 3: .changePending
            case 4: .change(.isJoint)
            default: .notVoter(number(near: 2))
            }
        }

        mutating func chunk() -> SnapshotChunk {
            let bytes = bytes(2000)
            let total = roll(2) == 0 ? UInt64(bytes.count) : number(near: 2000)
            var digest = Digest()
            digest.add(bytes)
            let configuration = Configuration(
                voters: (0..<roll(3)).map { _ in number(near: 3) }, outgoing: (0..<roll(2)).map { _ in number(near: 3) },
                learners: (0..<roll(2)).map { _ in number(near: 3) })
            return SnapshotChunk(
                id: roll(3) == 0 ? number(near: 1) : digest.value, head: SnapshotHead(position: position(), configuration: configuration),
                term: number(near: term), total: total, offset: roll(3) == 0 ? number(near: total) : 0, bytes: bytes,
                crc32c: roll(8) == 0 ? 1 : CRC32C.checksum(bytes))
        }

        mutating func message() -> PeerMessage {
            let mine = roll(12) == 0 ? number(near: from) : from
            switch roll(14) {
            case 0: return PeerMessage(from: mine, to: to, body: .chunk(chunk()))
            case 1:
                let verdicts: [SnapshotChunkAnswer.Verdict] = [.next(number(near: 256 << 10)), .done, .busy, .failed]
                return PeerMessage(from: mine, to: to, body: .chunkAnswer(.init(id: number(near: 1), verdict: verdicts[roll(4)])))
            default:
                let near = roll(5) == 0 ? number(near: term) : term &+ UInt64(roll(2))
                let message = Message(from: mine, to: to, term: near, body: body())
                return PeerMessage(from: mine, to: to, body: .raft(message))
            }
        }
    }

    @Test(arguments: UInt64(0)..<30)
    func `well-formed lies never end a member, whatever it is just then`(_ seed: UInt64) {
        let world = World(seed: seed)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        for _ in 0..<5 { if let leader = world.leader { world.propose(at: leader) } ; world.turn() }
        // One alone with a liar; the liar takes the others' names.
        let victim = world.members[Int(seed) % 3]
        for other in world.members where other !== victim { world.cuts.formUnion([[other.id, victim.id], [victim.id, other.id]]) }
        var liar = Liar(dice: SimulatedDisk.Dice(seed: seed), from: 0, to: victim.id, term: 0, last: 0, commit: 0)
        for turn in 0..<400 {
            guard let status = victim.status else { Issue.record("seed \(seed): it ended in turn \(turn)"); return }
            (liar.term, liar.last, liar.commit) = (status.term, status.lastIndex, status.commitIndex)
            liar.from = (victim.id + UInt64(liar.roll(2))) % 3 + 1
            let lies = (0..<liar.roll(6)).compactMap { _ -> ReplicaInput? in
                let message = liar.message()
                // By way of the wire, which takes only what is well-formed.
                guard let heard = PeerMessage(decoding: message.encoded) else { return nil }
                #expect(heard == message, "seed \(seed)")
                return .received(heard)
            }
            world.step(victim, [.ticks(liar.roll(3))] + lies)
            if liar.roll(10) == 0 { world.propose(at: victim) }
            if liar.roll(10) == 0 { world.read(at: victim) }
            world.step(victim, victim.inputs)
        }
        #expect((victim.core?.counts.dropped ?? 0) > 0, "seed \(seed): nothing was counted")
    }

    @Test func `an append that contradicts what is committed is dropped and counted, not answered`() {
        let world = World(seed: 3)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        for _ in 0..<6 { if let leader = world.leader { world.propose(at: leader) }; world.run(3) }
        guard let leader = world.leader, let member = world.members.first(where: { $0 !== leader }), let status = member.status else { return }
        let before = member.core?.counts.dropped ?? 0
        // Once this took the process down: entries after the committed ones, of a term before theirs.
        let entries = (1...status.commitIndex + 2).map { Entry(index: $0, term: $0 == 1 ? 1 : 0, bytes: [1]) }
        let other = [Entry(index: status.commitIndex, term: status.term + 1, bytes: [1])]
        for (previous, entries, term) in [
            (Position.start, entries, status.term), (Position(index: status.commitIndex - 1, term: status.term), other, status.term + 1),
            (Position(index: status.commitIndex, term: status.term + 1), [], status.term + 1),
        ] {
            let message = Message(
                from: leader.id, to: member.id, term: term, body: .append(previous: previous, entries: entries, commit: status.commitIndex))
            world.step(member, [.received(PeerMessage(from: leader.id, to: member.id, body: .raft(message)))])
        }
        #expect(member.core?.counts.dropped == before + 3)
        #expect(member.status?.lastIndex == status.lastIndex)
        world.heal()
    }
}
