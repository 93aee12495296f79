extension Raft {
    /// Whether this member promised its patience to a leader.
    var hearsLeader: Bool {
        role == .leader || sinceHeard < options.electionTicks && (leader != nil || options.leaseReads)
    }

    /// A member that may have to learn a newer configuration first must not campaign in the old one.
    private var mayCampaign: Bool {
        let mustApply = pendingChanges.first.map { $0 <= commit } ?? false
        return configuration.isVoter(id) && !mustApply && !isRepairing && !isFounding
    }

    /// Asks whether a campaign could succeed before it raises the term, so that a member which was cut off does not
    /// depose a leader when it comes back (dissertation §9.6).
    mutating func preCampaign(_ effects: inout Effects) {
        guard mayCampaign else { return }
        become(.preCandidate, term: hardState.term, leader: nil, &effects)
        granted = [id]
        campaignTick = now
        if verdict == .won { return campaign(isTransfer: false, &effects) }
        for voter in rivals { askPreVote(of: voter, &effects) }
    }

    private mutating func askPreVote(of voter: UInt64, _ effects: inout Effects) {
        let body = Message.Body.preVoteRequest(last: last)
        effects.send.append(Message(from: id, to: voter, term: hardState.term + 1, body: body))
        // Whoever is asked may have more in its log and know less of it, and not even know that it has a vote.
        tellCommitted(to: voter, &effects)
    }

    /// Asks those who have not answered once more, at the pace of heartbeats: the question was lost, or its voter was not there
    /// yet. Without this a group whose members start one after the other waits for another timeout.
    mutating func askAgain(_ effects: inout Effects) {
        guard role == .preCandidate || role == .candidate && granted.contains(id) else { return }
        for voter in rivals where !granted.contains(voter) && !rejected.contains(voter) {
            if role == .preCandidate {
                askPreVote(of: voter, &effects)
            } else {
                say(.voteRequest(last: last, isTransfer: false), to: voter, &effects)
            }
        }
    }

    /// The vote for itself counts, and requests leave, when it is durable.
    mutating func campaign(isTransfer: Bool, _ effects: inout Effects) {
        guard mayCampaign else { return }
        become(.candidate, term: hardState.term + 1, leader: nil, &effects)
        for voter in rivals { say(.voteRequest(last: last, isTransfer: isTransfer), to: voter, &effects) }
    }

    private var rivals: [UInt64] { configuration.members.filter { $0 != id && configuration.isVoter($0) } }

    private var verdict: Quorum.Verdict {
        Quorum.verdict(of: configuration) { granted.contains($0) ? true : rejected.contains($0) ? false : nil }
    }

    mutating func answerPreVote(_ request: Message, _ theirs: Position, _ effects: inout Effects) {
        defer { tellCommitted(to: request.from, &effects) }
        let isFree = request.term > hardState.term || hardState.vote == request.from || hardState.vote == 0 && leader == nil
        guard isFree, !hearsLeader, !isRepairing, !precedes(request, theirs), theirs.isUpToDate(with: last) else {
            return say(.preVoteAnswer(granted: false), to: request.from, &effects)
        }
        effects.send.append(Message(from: id, to: request.from, term: request.term, body: .preVoteAnswer(granted: true)))
    }

    mutating func tellCommitted(to member: UInt64, _ effects: inout Effects) {
        guard commit > 0, let term = log.term(at: commit) else { return }
        say(.committed(Position(index: commit, term: term)), to: member, &effects)
    }

    /// Another member knows that all through this place is committed. What that makes of the configuration must not change under a
    /// campaign whose votes are being counted.
    mutating func learnCommitted(_ place: Position, _ effects: inout Effects) {
        guard role == .follower || role == .preCandidate, !isRepairing, place.index > commit, log.holds(place) else { return }
        commit = place.index
        settle(&effects)
        guard role == .preCandidate else { return }
        if !configuration.isVoter(id) {
            become(.follower, term: hardState.term, leader: nil, &effects)
        } else if verdict == .won {
            campaign(isTransfer: false, &effects)
        }
    }

    /// Two that ask at once would each win the question and split the votes: the one of the lower id goes first. Only
    /// for a moment, since it may be that it can reach nobody else.
    private func precedes(_ request: Message, _ theirs: Position) -> Bool {
        role == .preCandidate && now - campaignTick <= 1 && request.term == hardState.term + 1
            && theirs == last && id < request.from
    }

    mutating func countPreVote(_ isGranted: Bool, _ answer: Message, _ effects: inout Effects) {
        guard role == .preCandidate, !isGranted || answer.term == hardState.term + 1 else { return }
        note(isGranted, answer.from)
        switch verdict {
        case .won: campaign(isTransfer: false, &effects)
        case .lost: become(.follower, term: hardState.term, leader: nil, &effects)
        case .pending: break
        }
    }

    mutating func answerVote(_ request: Message, _ theirs: Position, _ effects: inout Effects) {
        let isFree = hardState.vote == request.from || hardState.vote == 0 && leader == nil
        guard isFree, !isRepairing, theirs.isUpToDate(with: last) else {
            return say(.voteAnswer(granted: false), to: request.from, &effects)
        }
        if hardState.vote == 0 {
            hardState.vote = request.from
            effects.save = hardState
            role = .follower
        }
        drawTimeout()
        say(.voteAnswer(granted: true), to: request.from, &effects)
    }

    mutating func count(vote isGranted: Bool, of voter: UInt64, _ effects: inout Effects) {
        note(isGranted, voter)
        // Its own vote comes when it is durable; before that nothing is decided.
        guard granted.contains(id) || !configuration.isVoter(id) else { return }
        switch verdict {
        case .won: lead(&effects)
        case .lost: become(.follower, term: hardState.term, leader: nil, &effects)
        case .pending: break
        }
    }

    private mutating func note(_ isGranted: Bool, _ voter: UInt64) {
        guard !granted.contains(voter), !rejected.contains(voter) else { return }
        if isGranted { granted.append(voter) } else { rejected.append(voter) }
    }

    private mutating func lead(_ effects: inout Effects) {
        become(.leader, term: hardState.term, leader: id, &effects)
        ledTerm = hardState.term
        leading = Leading(termStart: last.index + 1)
        members = Members()
        members.follow(configuration, last: last.index)
        for at in members.progress.indices { members.progress[at].probe(from: last.index + 1) }
        members.acknowledge(id, durable.index, round: 0)
        // Commits what earlier terms left, and tells what is committed (§8).
        append([Proposal(bytes: [])], &effects)
        settle(&effects)
    }

    mutating func stopLeading(_ effects: inout Effects) {
        for read in leading.asked + leading.queued {
            if read.from == id {
                effects.readsFailed.append(read.id)
            } else {
                say(.readAnswer(id: read.id, index: nil), to: read.from, &effects)
            }
        }
        transferee = nil
        leading = Leading(termStart: 0)
        members = Members()
    }
}
