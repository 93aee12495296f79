extension Raft {
    mutating func tick(_ effects: inout Effects) {
        now += 1
        if role == .leader { return tickLeader(&effects) }
        sinceHeard = min(sinceHeard + 1, options.electionTicks)
        untilCampaign -= 1
        if untilCampaign <= 0 {
            drawTimeout()
            if leader != nil { forgetLeader(&effects) }
            preCampaign(&effects)
        } else if now % UInt64(options.heartbeatTicks) == 0 {
            repeatReadRequest(&effects)
            askAgain(&effects)
        }
    }

    private mutating func tickLeader(_ effects: inout Effects) {
        if transferee != nil {
            leading.sinceTransfer += 1
            if leading.sinceTransfer >= options.electionTicks { transferee = nil }
        }
        leading.sinceQuorumCheck += 1
        if leading.sinceQuorumCheck >= options.electionTicks {
            leading.sinceQuorumCheck = 0
            guard hearsQuorum() else { return become(.follower, term: hardState.term, leader: nil, &effects) }
            if commit < leading.termStart { refuseReads(&effects) }
        }
        leading.sinceHeartbeat += 1
        if leading.sinceHeartbeat >= options.heartbeatTicks {
            noteStalls()
            startRound(&effects)
        }
    }

    /// Without a quorum in its hearing a leader steps down, so that nobody waits for it who could reach another
    /// (dissertation §6.2). Begins a new count.
    private mutating func hearsQuorum() -> Bool {
        let verdict = Quorum.verdict(of: configuration) { member in member == id || members[member]?.isHeard == true }
        for at in members.progress.indices { members.progress[at].beginCount() }
        return verdict == .won
    }

    private mutating func noteStalls() {
        for at in members.progress.indices where members.progress[at].state == .replicate {
            let one = members.progress[at]
            members.progress[at].isStalled = one.match < log.last.index && one.match == one.matchAtHeartbeat
            members.progress[at].matchAtHeartbeat = one.match
        }
    }

    /// The process stood still. Others may lead by now; nothing that rests on time is true any more.
    mutating func gap(_ effects: inout Effects) {
        guard role == .leader else {
            // What the leader said meanwhile is waiting to be read.
            if untilCampaign < options.electionTicks { drawTimeout() }
            return
        }
        leading.leaseStart = nil
        leading.roundStarts = []
        leading.sinceQuorumCheck = 0
        for at in members.progress.indices { members.progress[at].loseSight() }
        leading.verifying = leading.round + 1
        startRound(&effects)
    }

    /// Randomized, so that members seldom campaign at once (§5.2).
    mutating func drawTimeout() {
        untilCampaign = Int.random(in: options.electionTicks..<2 * options.electionTicks, using: &random)
    }

    /// A word from the term's leader.
    mutating func hear(_ effects: inout Effects) {
        sinceHeard = 0
        drawTimeout()
    }

    /// The connection to a member broke: most often its process ended, which is known sooner so than by waiting.
    mutating func lose(_ member: UInt64, _ effects: inout Effects) {
        if role == .leader, let at = members.place(of: member) {
            members.progress[at].loseSight()
            guard members.progress[at].state != .snapshot else { return }
            // A heartbeat's answer will tell that it is there again.
            probe(at)
            members.progress[at].isPaused = true
        } else if role == .follower, leader == member {
            forgetLeader(&effects)
            // Promised to the leader: its lease rests on nobody campaigning so long.
            let promised = options.leaseReads ? options.electionTicks - sinceHeard : 0
            untilCampaign = promised + Int.random(in: 1...3, using: &random)
        }
    }

    private mutating func forgetLeader(_ effects: inout Effects) {
        leader = nil
        failReads(&effects)
    }
}
