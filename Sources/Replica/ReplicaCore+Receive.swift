import Raft

extension ReplicaCore {
    mutating func receive(_ message: PeerMessage, _ send: Send) throws(ReplicaError) {
        guard message.to == raft.id, message.from != raft.id, !isStuck else { return drop() }
        switch message.body {
        case .raft(let inner):
            guard inner.from == message.from, inner.to == message.to, isPossible(inner), !raft.contradicts(inner) else {
                return drop()
            }
            try receive(inner, send)
        case .chunk(let chunk): try receive(chunk, from: message.from, send)
        case .chunkAnswer(let answer):
            guard raft.role == .leader else { return }
            try carryOut(sender.answered(answer, by: message.from, now: ticks))
        case .full: fullPeers[message.from] = ticks
        }
    }

    mutating func drop() { counts.dropped += 1 }

    /// No log reaches such numbers.
    static var numberMax: UInt64 { 1 << 62 }

    /// Further ahead than that no group comes while a member is away: a term is an election.
    static var termsAheadMax: UInt64 { 1 << 32 }

    /// Terms and indexes are those of some log, and entries follow one another. Who says otherwise is broken, and must not break us.
    private func isPossible(_ message: Message) -> Bool {
        let numberMax = Self.numberMax
        guard message.from != 0, message.term < numberMax, message.term <= raft.hardState.term + Self.termsAheadMax else { return false }
        guard case .append(let previous, let entries, _) = message.body else { return true }
        return previous.index < numberMax && previous.term <= message.term && entries.enumerated().allSatisfy { at, entry in entry.index == previous.index + 1 + UInt64(at) }
    }

    private mutating func receive(_ message: Message, _ send: Send) throws(ReplicaError) {
        switch message.body {
        case .snapshot:
            // Only our own receiver says so.
            return drop()
        case .append(_, let entries, _) where !entries.isEmpty:
            // Without room it is as if the message were lost: the leader sends it again.
            let bytes = entries.reduce(0) { $0 + RecordHeader.span($1.bytes.count) }
            let replaces = isReplaced(by: entries)
            guard bytes <= log.batchBytesMax, try makeRoom(bytes, replacing: replaces, send) || (!replaces && fitsSlack(entries, bytes)) else { return drop() }
        case .forward(let sequence, let proposals) where raft.role == .leader && message.term == raft.hardState.term:
            let bytes = proposals.reduce(0) { $0 + RecordHeader.span($1.bytes.count) }
            guard bytes <= log.batchBytesMax, try makeRoom(bytes, replacing: false, send) else {
                return try refuse(message, sequence, count: proposals.count)
            }
        default: break
        }
        try absorb(raft.step(.received(message)))
    }

    /// Whether these open a leader's term, and there is room for that: were it refused by a majority whose disks are full, nobody could be
    /// answered a read.
    private func fitsSlack(_ entries: [Entry], _ bytes: Int) -> Bool {
        guard !isStuck, entries.allSatisfy({ $0.kind == .command && $0.bytes.isEmpty }) else { return false }
        return log.end + pendingBytes + RecordHeader.size + bytes + log.slack / 2 <= log.segmentBytes
    }

    /// Refuses a forward for want of room. Raft must count its sequence as used, or a copy that comes later would be
    /// taken; so it is given one proposal that it refuses, unless it knows the sequence already.
    private mutating func refuse(_ message: Message, _ sequence: UInt64, count: Int) throws(ReplicaError) {
        var message = message
        message.body = .forward(sequence: sequence, proposals: [Proposal(kind: .configuration, bytes: [])])
        var effects = raft.step(.received(message))
        for at in effects.send.indices {
            guard case .forwardRefused(sequence, _, var refusal) = effects.send[at].body else { continue }
            // No bytes at all: that is how the other side knows a full disk.
            if case .change = refusal { refusal = .uncommittedBytes(bytesMax: 0) }
            effects.send[at].body = .forwardRefused(sequence: sequence, count: count, refusal: refusal)
        }
        try absorb(effects)
    }

    /// Whether taking the entries means that some which are written, or about to be, go.
    private func isReplaced(by entries: [Entry]) -> Bool {
        guard let first = entries.first, let last = entries.last, first.index <= raft.last.index else { return false }
        if log.isReplaced(by: entries) { return true }
        return pendingEntries.contains { mine in
            mine.index >= first.index && mine.index <= last.index && entries[Int(mine.index - first.index)].term != mine.term
        }
    }
}
