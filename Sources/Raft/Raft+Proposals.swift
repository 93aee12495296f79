extension Raft {
    mutating func propose(_ proposals: [Proposal], _ effects: inout Effects) {
        guard !proposals.isEmpty else { return }
        if role == .leader {
            guard let (count, refusal) = take(proposals, &effects) else { return }
            effects.refused = refusal
            effects.refusedCount = count
        } else if let leader, durableHardState.term == hardState.term {
            let sequence = nextSequence()
            effects.forwarded = Effects.Forwarded(sequence: sequence, term: hardState.term, leader: leader)
            say(.forward(sequence: sequence, proposals: proposals), to: leader, &effects)
        } else {
            effects.refused = .notLeader(leader: leader)
            effects.refusedCount = proposals.count
        }
    }

    /// Rises within a run; when the lower half is used up, a new run begins.
    mutating func nextSequence() -> UInt64 {
        if sequence == UInt64(UInt32.max) {
            run = Self.drawRun(&random)
            sequence = 0
        }
        sequence += 1
        return run | sequence
    }

    static func drawRun(_ random: inout SplitMix64) -> UInt64 { random.next() & ~UInt64(UInt32.max) }

    /// A sequence is taken at most once, and only in its term: what then is not in the log when a later term begins
    /// never will be, and its proposer may ask again.
    mutating func receiveForward(_ member: UInt64, _ sequence: UInt64, _ proposals: [Proposal], _ effects: inout Effects) {
        guard role == .leader else {
            // Had it led this term, it might have taken an earlier copy of the same.
            guard ledTerm != hardState.term else { return }
            let refusal = Refusal.notLeader(leader: leader)
            return say(.forwardRefused(sequence: sequence, count: proposals.count, refusal: refusal), to: member, &effects)
        }
        guard leading.admits(sequence, of: member) else { return }
        if let (count, refusal) = take(proposals, &effects) {
            say(.forwardRefused(sequence: sequence, count: count, refusal: refusal), to: member, &effects)
        }
    }

    /// - Returns: how many of the last were refused, and why.
    private mutating func take(_ proposals: [Proposal], _ effects: inout Effects) -> (Int, Refusal)? {
        if let transferee { return (proposals.count, .transferring(to: transferee)) }
        guard leading.resignation == nil else { return (proposals.count, .notLeader(leader: nil)) }
        var taken = 0
        var bytes = leading.uncommittedBytes
        var refusal: Refusal?
        var hasChange = false
        for proposal in proposals {
            if bytes > 0, bytes + proposal.bytes.count > options.uncommittedBytesMax {
                refusal = .uncommittedBytes(bytesMax: options.uncommittedBytesMax)
            } else if proposal.kind == .configuration {
                refusal = hasChange ? .changePending : objection(to: proposal)
                hasChange = true
            }
            if refusal != nil { break }
            bytes += proposal.bytes.count
            taken += 1
        }
        var wanted = taken == proposals.count ? proposals : Array(proposals.prefix(taken))
        if hasChange { for at in wanted.indices { wanted[at] = wanted[at].withoutBase } }
        append(wanted, &effects)
        settle(&effects)
        return refusal.map { (proposals.count - taken, $0) }
    }

    /// Puts entries at the end of the leader's log and sends them before they are durable here.
    mutating func append(_ proposals: [Proposal], _ effects: inout Effects) {
        guard !proposals.isEmpty else { return }
        var cost = 0
        var bytes = 0
        let (first, term) = (log.last.index + 1, hardState.term)
        let entries = [Entry](unsafeUninitializedCapacity: proposals.count) { buffer, initialized in
            for (at, proposal) in proposals.enumerated() {
                let entry = Entry(index: first + UInt64(at), term: term, kind: proposal.kind, bytes: proposal.bytes)
                buffer.initializeElement(at: at, to: entry)
                cost += entry.cost
                bytes += proposal.bytes.count
            }
            initialized = proposals.count
        }
        log.append(entries)
        leading.uncommittedBytes += bytes
        for entry in entries where entry.kind == .configuration { pendingChanges.append(entry.index) }
        if effects.append.isEmpty { effects.append = entries } else { effects.append += entries }
        broadcast(entries, cost: cost, &effects)
    }
}

extension Leading {
    /// Most runs of processes that one term remembers; a process that restarts more often waits for the next term.
    private static let forwardersMax = 1024

    mutating func admits(_ sequence: UInt64, of member: UInt64) -> Bool {
        let run = sequence >> 32
        if let at = forwarders.firstIndex(where: { $0.member == member && $0.run == run }) {
            guard sequence > forwarders[at].last else { return false }
            forwarders[at].last = sequence
            return true
        }
        guard forwarders.count < Self.forwardersMax else { return false }
        forwarders.append(Forwarder(member: member, run: run, last: sequence))
        return true
    }
}
