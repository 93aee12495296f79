import Raft

@testable import Replica

/// Random messages from a seed (SplitMix64).
struct WireDice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Small, large or one of the ends.
    mutating func number() -> UInt64 {
        switch next() % 4 {
        case 0: next() % 10
        case 1: next()
        case 2: 0
        default: .max
        }
    }

    mutating func bytes(max: Int = 40) -> [UInt8] {
        (0..<Int.random(in: 0...max, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    mutating func message() -> PeerMessage {
        let from = number()
        let to = number()
        switch next() % 8 {
        case 2 where next() % 8 == 0: return PeerMessage(from: from, to: to, body: .full)
        case 0: return PeerMessage(from: from, to: to, body: .chunk(chunk()))
        case 1: return PeerMessage(from: from, to: to, body: .chunkAnswer(SnapshotChunkAnswer(id: number(), verdict: verdict())))
        default: return PeerMessage(from: from, to: to, body: .raft(Message(from: from, to: to, term: number(), body: body())))
        }
    }

    mutating func chunkMessage() -> PeerMessage { PeerMessage(from: 1, to: 2, body: .chunk(chunk())) }

    private mutating func verdict() -> SnapshotChunkAnswer.Verdict {
        switch next() % 4 {
        case 0: .next(number())
        case 1: .done
        case 2: .busy
        default: .failed
        }
    }

    private mutating func chunk() -> SnapshotChunk {
        SnapshotChunk(
            id: number(), head: SnapshotHead(position: position(), configuration: configuration()), term: number(),
            total: number(), offset: number(), bytes: bytes(max: 300), crc32c: UInt32(truncatingIfNeeded: next()))
    }

    private mutating func configuration() -> Configuration {
        Configuration(
            voters: members(), outgoing: members(), learners: members(), learnersNext: members(), autoLeave: next() % 2 == 0)
    }

    private mutating func members() -> [UInt64] {
        Set((0..<Int(next() % 6)).map { _ in number() }).sorted()
    }

    private mutating func position() -> Position { Position(index: number(), term: number()) }

    private mutating func kind() -> Entry.Kind { next() % 3 == 0 ? .configuration : .command }

    private mutating func body() -> Message.Body {
        switch next() % 16 {
        case 14: return .committed(position())
        case 0: return .preVoteRequest(last: position())
        case 1: return .preVoteAnswer(granted: next() % 2 == 0)
        case 2: return .voteRequest(last: position(), isTransfer: next() % 2 == 0)
        case 3: return .voteAnswer(granted: next() % 2 == 0)
        case 4:
            let entries = (0..<Int(next() % 5)).map { _ in Entry(index: number(), term: number(), kind: kind(), bytes: bytes()) }
            return .append(previous: position(), entries: entries, commit: number())
        case 5: return .appendAnswer(matched: number())
        case 6: return .appendRefused(rejected: number(), hint: position())
        case 7: return .heartbeat(commit: number(), round: number())
        case 8: return .heartbeatAnswer(round: number(), matched: number())
        case 9: return .readRequest(id: number())
        case 10: return .readAnswer(id: number(), index: next() % 2 == 0 ? nil : number())
        case 11: return .timeoutNow
        case 12:
            let proposals = (0..<Int(next() % 5)).map { _ in Proposal(kind: kind(), bytes: bytes()) }
            return .forward(sequence: number(), proposals: proposals)
        case 13: return .commit(number())
        default: return .forwardRefused(sequence: number(), count: Int(next() >> 1), refusal: refusal())
        }
    }

    private mutating func refusal() -> Refusal {
        switch next() % 7 {
        case 0: .notLeader(leader: nil)
        case 1: .notLeader(leader: next() | 1)
        case 2: .uncommittedBytes(bytesMax: Int(next() >> 1))
        case 3: .transferring(to: number())
        case 4: .changePending
        case 5: .change([.isJoint, .isNotJoint, .noVoters, .tooManyVoters, .unreadable][Int(next() % 5)])
        default: .notVoter(number())
        }
    }
}
