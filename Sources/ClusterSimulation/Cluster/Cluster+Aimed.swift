import Raft
import Replica
import Simulation

/// Faults that are aimed at a moment.
extension Cluster {
    /// - Parameter stay: nil: until all is healed.
    func pause(_ victim: Member<S>, _ stay: Micros?) {
        victim.state = .paused
        victim.pausedAt = now
        if let stay { plan(.end(.resume(victim.id)), in: stay) }
    }

    static func isOfClient(_ input: ReplicaInput) -> Bool {
        switch input {
        case .read, .propose: true
        default: false
        }
    }

    /// What comes to a member comes late, twice and in another order.
    func delay(_ victim: UInt64, _ stay: Micros) {
        for member in members where member.id != victim {
            network.change(member.id, victim) { link in
                link.jitter = .milliseconds(faultDice.pick([20, 60, 200]))
                link.twicePerMille = 400
            }
            plan(.end(.pace(member.id, victim)), in: stay)
        }
    }

    /// The leader ends. With the first vote for another its voter and that candidate are lost to the rest; or the vote is
    /// late.
    func ambush() throws(Breach) {
        guard let leader else { return }
        trapUntil = now + .seconds(4)
        trapDelaysVotes = faultDice.oneIn(2)
        lateVote = nil
        try crash(leader, losesPower: false, backIn: faultDice.within(1_000_000...2_500_000))
    }

    /// Called as a message leaves a member, in the midst of a step.
    /// - Returns: the candidate whose vote sprang the trap.
    func spring(_ member: Member<S>, _ message: PeerMessage) -> UInt64? {
        guard now < trapUntil, !trapDelaysVotes, isVote(message) else { return nil }
        trapUntil = 0
        member.mayEnd = true
        member.disk.losePower(afterOperations: 0)
        return message.to
    }

    func close(_ member: Member<S>, _ candidate: UInt64) throws(Breach) {
        counts.ambushes += 1
        trace(now, "member \(member.id) loses power as its vote for \(candidate) leaves")
        disturb(.isolate, candidate, faultDice.within(3_000_000...5_000_000))
        try crash(member, losesPower: true, backIn: faultDice.within(50_000...600_000))
    }

    private func isVote(_ message: PeerMessage) -> Bool {
        if case .raft(let inner) = message.body, case .voteAnswer(granted: true) = inner.body { true } else { false }
    }

    /// Whether the message is a vote that is kept until its candidate asks for one of a later term. Nothing else that says
    /// the same comes through until then.
    func delaysVote(_ message: PeerMessage, _ letter: Letter) -> Bool {
        guard isVote(message), case .raft(let inner) = message.body else { return false }
        if let late = lateVote { return late.from == message.from && late.to == message.to && late.term == inner.term }
        guard now < trapUntil, trapDelaysVotes else { return false }
        trapUntil = 0
        lateVote = (message.from, message.to, inner.term, letter)
        counts.lateVotes += 1
        trace(now, "the vote of member \(message.from) for \(message.to) in term \(inner.term) is late")
        return true
    }

    /// A candidate asks: a late vote for it comes before the answer.
    func releaseVote(for candidate: UInt64, term: UInt64) {
        guard let late = lateVote, late.to == candidate, term > late.term else { return }
        lateVote = nil
        if !isHealing { plan(.arrive(to: candidate, letter: letters.put(late.letter)), in: faultDice.below(Int64(600))) }
    }

    /// A cut loses little of what is sent into it: most waits in the sender's buffers.
    func holdBack(_ message: PeerMessage, _ letter: Letter) {
        guard scenario.temper == .siege, case .raft(let inner) = message.body, case .append(_, let entries, _) = inner.body,
            !entries.isEmpty, network.link(message.from, message.to).isCut, heldBack[message.to, default: []].count < 6
        else { return }
        heldBack[message.to, default: []].append(letter)
    }

    /// It comes when it can do most harm: to one that has just voted for another leader.
    func release(to id: UInt64) {
        guard let letters = heldBack.removeValue(forKey: id), !isHealing else { return }
        counts.lateAppends += letters.count
        for letter in letters { plan(.arrive(to: id, letter: self.letters.put(letter)), in: faultDice.below(Int64(3_000))) }
    }
}
