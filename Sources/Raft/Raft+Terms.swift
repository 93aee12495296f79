extension Raft {
    mutating func become(_ role: Role, term: UInt64, leader: UInt64?, _ effects: inout Effects) {
        if self.role == .leader, role != .leader { stopLeading(&effects) }
        if term > hardState.term || self.leader != leader { failReads(&effects) }
        if term > hardState.term {
            hardState = HardState(term: term, vote: role == .candidate ? id : 0)
            // Who raised it had met all.
            isFounding = false
            effects.save = hardState
            waiting = []
            matched = 0
            owesAnswer = false
        }
        self.role = role
        self.leader = leader
        granted = []
        rejected = []
        drawTimeout()
    }

    /// Speaks of a term only after the disk knows it.
    mutating func say(_ body: Message.Body, to member: UInt64, _ effects: inout Effects) {
        let message = Message(from: id, to: member, term: hardState.term, body: body)
        if durableHardState == hardState { effects.send.append(message) } else { waiting.append(message) }
    }

    mutating func persisted(_ state: HardState, _ position: Position, _ effects: inout Effects) {
        precondition(state.term <= hardState.term, "persisted a term that was never asked for")
        durableHardState = state
        // A write that was overtaken by a truncation says nothing of what lies there now.
        if position.index > durable.index, state.term >= truncationTerm, log.holds(position) { durable = position }
        if state == hardState {
            effects.send += waiting
            waiting = []
            switch role {
            case .candidate: count(vote: true, of: id, &effects)
            case .leader: members.acknowledge(id, durable.index, round: leading.round)
            case .follower, .preCandidate: if owesAnswer { answerAppend(&effects) }
            }
        }
        settle(&effects)
    }

    /// Follows what became committed or durable until nothing more follows from it.
    mutating func settle(_ effects: inout Effects) {
        repeat {
            if role == .leader { countCommit(&effects) }
        } while apply(&effects)
        if role == .leader {
            leaveJointIfDue(&effects)
            spreadCommit(&effects)
        }
    }

    mutating func receive(_ message: Message, _ effects: inout Effects) {
        guard message.to == id, message.from != id, message.from != 0 else { return }
        if case .committed(let place) = message.body { return learnCommitted(place, &effects) }
        if message.term > hardState.term {
            guard meetsNewerTerm(message, &effects) else { return }
        } else if message.term < hardState.term {
            return answerOlderTerm(message, &effects)
        }
        switch message.body {
        case .preVoteRequest(let last): answerPreVote(message, last, &effects)
        // Was read before: it is true in any term.
        case .committed: break
        case .preVoteAnswer(let isGranted): countPreVote(isGranted, message, &effects)
        case .voteRequest(let last, _): answerVote(message, last, &effects)
        case .voteAnswer(let isGranted): if role == .candidate { count(vote: isGranted, of: message.from, &effects) }
        case .append(let previous, let entries, let commit):
            if follow(message.from, &effects) { receiveAppend(previous, entries, commit, &effects) }
        case .commit(let commit): if follow(message.from, &effects) { receiveCommit(commit, &effects) }
        case .heartbeat(let commit, let round):
            if follow(message.from, &effects) { receiveHeartbeat(commit, round, &effects) }
        case .snapshot(let head): if follow(message.from, &effects) { receiveSnapshot(head, &effects) }
        case .timeoutNow: if leader == message.from, role == .follower { campaign(isTransfer: true, &effects) }
        case .appendAnswer(let matched): appendAnswered(message.from, matched, &effects)
        case .appendRefused(let rejected, let hint): appendRefused(message.from, rejected, hint, &effects)
        case .heartbeatAnswer(let round, let matched): heartbeatAnswered(message.from, round, matched, &effects)
        case .readRequest(let id): readRequested(message.from, id, &effects)
        case .readAnswer(let id, let index): readAnswered(id, index, &effects)
        case .forward(let sequence, let proposals): receiveForward(message.from, sequence, proposals, &effects)
        case .forwardRefused(let sequence, let count, let refusal):
            effects.refusedForwards.append(.init(sequence: sequence, count: count, refusal: refusal))
        }
    }

    /// - Returns: whether the message is still to be read.
    private mutating func meetsNewerTerm(_ message: Message, _ effects: inout Effects) -> Bool {
        switch message.body {
        case .preVoteRequest: return true
        case .preVoteAnswer(granted: true): return true
        case .voteRequest(_, let isTransfer):
            // Whoever hears its leader has no reason to elect another (dissertation §4.2.3).
            if hearsLeader, !isTransfer { return false }
            become(.follower, term: message.term, leader: nil, &effects)
        case .append, .commit, .heartbeat, .snapshot: become(.follower, term: message.term, leader: message.from, &effects)
        default: become(.follower, term: message.term, leader: nil, &effects)
        }
        return true
    }

    private mutating func answerOlderTerm(_ message: Message, _ effects: inout Effects) {
        switch message.body {
        // Tells a leader that this member can never follow it; else it would stay cut off as long as the others
        // hear that leader and refuse to vote (etcd-io/raft's answer to check-quorum).
        case .append, .heartbeat: say(.appendAnswer(matched: 0), to: message.from, &effects)
        case .preVoteRequest:
            say(.preVoteAnswer(granted: false), to: message.from, &effects)
            tellCommitted(to: message.from, &effects)
        // What is in a snapshot is committed, whoever sent it.
        case .snapshot(let head): if role != .leader { receiveSnapshot(head, &effects) }
        case .forwardRefused(let sequence, let count, let refusal):
            effects.refusedForwards.append(.init(sequence: sequence, count: count, refusal: refusal))
        default: break
        }
    }

    /// - Returns: false when it is this member that leads the term.
    private mutating func follow(_ member: UInt64, _ effects: inout Effects) -> Bool {
        guard role != .leader else { return false }
        if role != .follower || leader != member { become(.follower, term: hardState.term, leader: member, &effects) }
        hear(&effects)
        return true
    }
}
