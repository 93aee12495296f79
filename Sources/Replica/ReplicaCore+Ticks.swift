import Host
import Raft

extension ReplicaCore {
    /// Time passed. A process that was paused for more than half an election is told so, and does not make up for
    /// the ticks it missed (etcd #15247).
    mutating func pass(_ count: Int, _ now: Instant, _ send: Send) throws(ReplicaError) {
        var left = count
        if count > options.electionTicks / 2 {
            left = 1
            leadership = nil
            if !isStuck { try absorb(raft.step(.gap)) }
        }
        if isStuck { hasMissedTime = true }
        while left > 0 {
            left -= 1
            ticks += 1
            if !isStuck { try absorb(raft.step(.tick)) }
        }
        expire()
        try carryOut(sender.tick(ticks))
        tickIncoming()
        tellFullDisk()
        try tickFullDisk(send)
        try askRepaired()
        try proposeDue(now, send)
    }

    /// A disk that refuses stops Raft's clock: when it takes writes again, nothing that rests on time is true any more, a
    /// lease above all.
    mutating func seeMissedTime() throws(ReplicaError) {
        guard hasMissedTime, !isStuck else { return }
        hasMissedTime = false
        leadership = nil
        try absorb(raft.step(.gap))
    }

    private mutating func expire() {
        for (id, wasProposed) in proposals.expire(now: ticks) { answer(id, wasProposed ? .timedOut : .noLeader) }
        let (timedOut, unasked) = reads.tick(now: ticks, patience: UInt64(options.electionTicks))
        for id in timedOut { outputs.reads.append((id, .failure(.timedOut))) }
        for id in unasked { outputs.reads.append((id, .failure(raft.leader == nil ? .noLeader : .timedOut))) }
    }

    /// Whoever leads must know to whom it need not hand over.
    private mutating func tellFullDisk() {
        guard fullSince != nil || isStuck, let leader = raft.leader, leader != raft.id, ticks % UInt64(options.heartbeatTicks) == 0 else { return }
        outbox.append(PeerMessage(from: raft.id, to: leader, body: .full))
    }

    /// Sees whether there is room again; a leader that has none for an election's time hands over.
    private mutating func tickFullDisk(_ send: Send) throws(ReplicaError) {
        guard let since = fullSince, !isStuck else { return }
        _ = try makeRoom(min(batchBytesMax, 64 << 10), replacing: false, send)
        guard fullSince != nil, raft.role == .leader, since + UInt64(options.electionTicks) <= ticks else { return }
        // Where nobody is there to take over, the next tick asks again. From one full disk to another is no use, and each election takes some
        // of the little room that is left.
        if try handOver(needsRoom: true) { fullSince = ticks }
    }

    /// The machine's own commands. Where there is no room they are asked for again at the next tick.
    private mutating func proposeDue(_ now: Instant, _ send: Send) throws(ReplicaError) {
        guard mayLead, raft.transferee == nil, !isStuck else { return }
        let term = raft.hardState.term
        let leadership = self.leadership ?? Leadership(term: term, since: now)
        self.leadership = leadership
        var batch: [Proposal] = []
        var bytes = 0
        for command in machine.due(now, leadership) {
            let proposal = Proposal(bytes: Proposals.Header.wrap(0, term, command))
            let span = RecordHeader.span(proposal.bytes.count)
            if bytes + span > batchBytesMax {
                try propose(batch, bytes, send)
                (batch, bytes) = ([], 0)
            }
            batch.append(proposal)
            bytes += span
        }
        try propose(batch, bytes, send)
    }

    private mutating func propose(_ batch: [Proposal], _ bytes: Int, _ send: Send) throws(ReplicaError) {
        guard !batch.isEmpty, bytes <= batchBytesMax, try makeRoom(bytes, replacing: false, send) else { return }
        try absorb(raft.step(.propose(batch)))
    }

    /// A member whose log was damaged asks its leader how far it must come.
    private mutating func askRepaired() throws(ReplicaError) {
        guard isRecovering, repairIndex == nil, raft.leader != nil, repairTerm == raft.hardState.term, !isStuck else { return }
        if let asked = repairRead?.asked, asked + UInt64(options.electionTicks) > ticks { return }
        let number = reads.number()
        repairRead = (number, ticks)
        try absorb(raft.step(.read(number)))
    }

    mutating func finishRepair() throws(ReplicaError) {
        guard isRecovering, let index = repairIndex, applied.index >= index else { return }
        do throws(ReplicaError) { try repair.finish() } catch .noSpace { return } catch { throw error }
        isRecovering = false
        repairRead = nil
        try absorb(raft.step(.repaired))
    }
}
