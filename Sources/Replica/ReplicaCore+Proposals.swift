import Raft

extension ReplicaCore {
    /// Most bytes of records that one write takes.
    var batchBytesMax: Int { min(options.batchBytesMax, log.batchBytesMax) }

    /// Proposes what waits, where somebody takes it.
    mutating func submit(_ send: Send) throws(ReplicaError) {
        guard proposals.someWait, raft.leader != nil, ticks >= holdUntil, !isStuck else { return }
        while proposals.someWait {
            let batch = proposals.take(bytesMax: raft.role == .leader ? batchBytesMax : min(batchBytesMax, 1 << 20))
            guard !batch.numbers.isEmpty else { return }
            if raft.role == .leader, try !makeRoom(batch.bytes, replacing: false, send) {
                proposals.giveBack(batch.numbers)
                // What was written and is not applied is not among those that wait.
                for id in proposals.endWaiting() { answer(id, .noSpace) }
                return
            }
            guard try propose(batch) else { return }
        }
    }

    /// Whether all were taken.
    private mutating func propose(_ batch: Proposals.Batch) throws(ReplicaError) -> Bool {
        let term = raft.hardState.term
        let effects = raft.step(.propose(batch.proposals))
        let taken = batch.numbers.dropLast(effects.refusedCount)
        counts.proposals += taken.count
        if let forwarded = effects.forwarded {
            proposals.proposed(taken, term: forwarded.term, forward: forwarded.sequence)
        } else {
            proposals.proposed(taken, term: term)
        }
        if let refusal = effects.refused { refuse(Array(batch.numbers.suffix(effects.refusedCount)), refusal) }
        try absorb(effects)
        return effects.refused == nil
    }

    mutating func take(_ refused: Effects.RefusedForward) {
        refuse(proposals.refused(refused.sequence, last: refused.count), refused.refusal)
    }

    /// Nothing of them was appended.
    private mutating func refuse(_ numbers: [UInt64], _ refusal: Refusal) {
        let error: ReplicaError
        switch refusal {
        case .notLeader, .transferring:
            proposals.giveBack(numbers)
            holdUntil = ticks + 1
            return
        case .uncommittedBytes(0): error = .noSpace
        case .uncommittedBytes(let bytes): error = .overloaded(bytesWaiting: bytes)
        case .changePending:
            // Only the first that was refused is a change; those behind it had no chance.
            error = .changeRefused("an earlier change of the members is not finished; try again when it is")
        case .change(let why): error = .changeRefused("the members cannot be changed so: \(why)")
        case .notVoter(let id): error = .changeRefused("member \(String(id, radix: 16)) is no voter")
        }
        switch refusal {
        case .changePending, .change, .notVoter:
            proposals.giveBack(numbers.dropFirst())
            if let id = numbers.first.flatMap({ proposals.end($0) }) { answer(id, error) }
        default:
            for number in numbers {
                if let id = proposals.end(number) { answer(id, error) }
            }
        }
    }

    mutating func askReads() throws(ReplicaError) {
        guard reads.someWait, raft.leader != nil, ticks >= holdUntil, !isStuck, !isRecovering else { return }
        try absorb(raft.step(.read(reads.ask(now: ticks))))
    }

    mutating func readable(_ read: Effects.Read) {
        if read.id == repairRead?.number {
            repairIndex = read.index
            return
        }
        for id in reads.answered(read.id, index: read.index, applied: applied.index) { outputs.reads.append((id, .success(()))) }
    }

    mutating func unreadable(_ number: UInt64) {
        if number == repairRead?.number { repairRead = nil }
        reads.failed(number)
        holdUntil = ticks + 1
    }
}
