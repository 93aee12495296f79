import NIOCore
import Raft

/// From byte 18 of a `PeerMessage` on: the message's term 8, and then by kind
///
///      1  pre-vote request    position
///      2  pre-vote answer     granted 1
///      3  vote request        position, is transfer 1
///      4  vote answer         granted 1
///      5  append              position before, commit 8, count 4 of entries, each: index 8, term 8, kind 1,
///                             length n 4, n bytes
///      6  append answer       matched 8
///      7  append refused      rejected 8, position of the hint
///      8  heartbeat           commit 8, round 8
///      9  heartbeat answer    round 8, matched 8
///     10  read request        id 8
///     11  read answer         id 8, is known 1, index 8 (0 when not known)
///     12  campaign now        nothing
///     13  forward             sequence 8, count 4 of proposals, each: kind 1, length n 4, n bytes
///     14  forward refused     sequence 8, count 8, refusal
///     15  commit              index 8
///     16  committed           position
///
/// Refusal: code 1, number 8:
///
///      0  not leader          the leader, 0 when not known
///      1  uncommitted bytes   the most
///      2  transferring        to
///      3  change pending      0
///      4  change              `ConfigurationError`
///      5  not a voter         the member
///
/// A `.snapshot` has no form here: a member's own shell makes it from chunks that it has verified, and nobody
/// may make a member forget its log by words alone.
extension Message {
    var wireKind: UInt8 {
        switch body {
        case .preVoteRequest: 1
        case .preVoteAnswer: 2
        case .voteRequest: 3
        case .voteAnswer: 4
        case .append: 5
        case .appendAnswer: 6
        case .appendRefused: 7
        case .heartbeat: 8
        case .heartbeatAnswer: 9
        case .readRequest: 10
        case .readAnswer: 11
        case .timeoutNow: 12
        case .forward: 13
        case .forwardRefused: 14
        case .commit: 15
        case .committed: 16
        case .snapshot: preconditionFailure("a snapshot message was about to leave; it is made where it arrives")
        }
    }

    func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(term, endianness: .little)
        switch body {
        case .preVoteRequest(let last), .committed(let last):
            last.write(to: &buffer)
        case .preVoteAnswer(let granted), .voteAnswer(let granted):
            buffer.writeBoolean(granted)
        case .voteRequest(let last, let isTransfer):
            last.write(to: &buffer)
            buffer.writeBoolean(isTransfer)
        case .append(let previous, let entries, let commit):
            previous.write(to: &buffer)
            buffer.writeInteger(commit, endianness: .little)
            buffer.writeInteger(UInt32(entries.count), endianness: .little)
            for entry in entries {
                buffer.writeMultipleIntegers(
                    entry.index, entry.term, entry.kind.rawValue, UInt32(entry.bytes.count), endianness: .little)
                buffer.writeBytes(entry.bytes)
            }
        case .appendAnswer(let number), .commit(let number), .readRequest(let number):
            buffer.writeInteger(number, endianness: .little)
        case .appendRefused(let rejected, let hint):
            buffer.writeInteger(rejected, endianness: .little)
            hint.write(to: &buffer)
        case .heartbeat(let first, let second), .heartbeatAnswer(let first, let second):
            buffer.writeMultipleIntegers(first, second, endianness: .little)
        case .readAnswer(let id, let index):
            buffer.writeInteger(id, endianness: .little)
            buffer.writeBoolean(index != nil)
            buffer.writeInteger(index ?? 0, endianness: .little)
        case .forward(let sequence, let proposals):
            buffer.writeMultipleIntegers(sequence, UInt32(proposals.count), endianness: .little)
            for proposal in proposals {
                buffer.writeMultipleIntegers(proposal.kind.rawValue, UInt32(proposal.bytes.count), endianness: .little)
                buffer.writeBytes(proposal.bytes)
            }
        case .forwardRefused(let sequence, let count, let refusal):
            buffer.writeMultipleIntegers(sequence, UInt64(count), endianness: .little)
            refusal.write(to: &buffer)
        case .timeoutNow, .snapshot:
            break
        }
    }

    init?(_ buffer: inout ByteBuffer, kind: UInt8, from: UInt64, to: UInt64) {
        guard let term: UInt64 = buffer.readInteger(endianness: .little), let body = Body(&buffer, kind: kind) else { return nil }
        self.init(from: from, to: to, term: term, body: body)
    }
}

extension Message.Body {
    fileprivate init?(_ buffer: inout ByteBuffer, kind: UInt8) {
        switch kind {
        case 1:
            guard let last = Position(&buffer) else { return nil }
            self = .preVoteRequest(last: last)
        case 2:
            guard let granted = buffer.readBoolean() else { return nil }
            self = .preVoteAnswer(granted: granted)
        case 3:
            guard let last = Position(&buffer), let isTransfer = buffer.readBoolean() else { return nil }
            self = .voteRequest(last: last, isTransfer: isTransfer)
        case 4:
            guard let granted = buffer.readBoolean() else { return nil }
            self = .voteAnswer(granted: granted)
        case 5:
            guard let previous = Position(&buffer), let commit = buffer.readNumber(), let entries = buffer.readEntries()
            else { return nil }
            self = .append(previous: previous, entries: entries, commit: commit)
        case 6:
            guard let matched = buffer.readNumber() else { return nil }
            self = .appendAnswer(matched: matched)
        case 7:
            guard let rejected = buffer.readNumber(), let hint = Position(&buffer) else { return nil }
            self = .appendRefused(rejected: rejected, hint: hint)
        case 8:
            guard let commit = buffer.readNumber(), let round = buffer.readNumber() else { return nil }
            self = .heartbeat(commit: commit, round: round)
        case 9:
            guard let round = buffer.readNumber(), let matched = buffer.readNumber() else { return nil }
            self = .heartbeatAnswer(round: round, matched: matched)
        case 10:
            guard let id = buffer.readNumber() else { return nil }
            self = .readRequest(id: id)
        case 11:
            guard let id = buffer.readNumber(), let isKnown = buffer.readBoolean(), let index = buffer.readNumber(),
                isKnown || index == 0
            else { return nil }
            self = .readAnswer(id: id, index: isKnown ? index : nil)
        case 12:
            self = .timeoutNow
        case 13:
            guard let sequence = buffer.readNumber(), let proposals = buffer.readProposals() else { return nil }
            self = .forward(sequence: sequence, proposals: proposals)
        case 14:
            guard let sequence = buffer.readNumber(), let count = buffer.readNumber().flatMap(Int.init(exactly:)),
                let refusal = Refusal(&buffer)
            else { return nil }
            self = .forwardRefused(sequence: sequence, count: count, refusal: refusal)
        case 15:
            guard let commit = buffer.readNumber() else { return nil }
            self = .commit(commit)
        case 16:
            guard let place = Position(&buffer) else { return nil }
            self = .committed(place)
        default:
            return nil
        }
    }
}

extension Refusal {
    fileprivate init?(_ buffer: inout ByteBuffer) {
        guard let code: UInt8 = buffer.readInteger(), let number = buffer.readNumber() else { return nil }
        switch code {
        case 0:
            self = .notLeader(leader: number == 0 ? nil : number)
        case 1:
            guard let most = Int(exactly: number) else { return nil }
            self = .uncommittedBytes(bytesMax: most)
        case 2:
            self = .transferring(to: number)
        case 3:
            guard number == 0 else { return nil }
            self = .changePending
        case 4:
            guard let error = UInt8(exactly: number).flatMap(ConfigurationError.init) else { return nil }
            self = .change(error)
        case 5:
            self = .notVoter(number)
        default:
            return nil
        }
    }

    fileprivate func write(to buffer: inout ByteBuffer) {
        let (code, number): (UInt8, UInt64) =
            switch self {
            case .notLeader(let leader): (0, leader ?? 0)
            case .uncommittedBytes(let most): (1, UInt64(most))
            case .transferring(let to): (2, to)
            case .changePending: (3, 0)
            case .change(let error): (4, UInt64(error.rawValue))
            case .notVoter(let member): (5, member)
            }
        buffer.writeMultipleIntegers(code, number, endianness: .little)
    }
}
