/// What members say to each other. A message may be lost, repeated or overtaken.
package struct Message: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        /// Would you vote for me? The message's term is the one that a campaign would have; nothing changes for
        /// being asked or for answering (dissertation §9.6).
        case preVoteRequest(last: Position)
        /// Granted: the message's term is the one asked for. Not granted: the answerer's own.
        case preVoteAnswer(granted: Bool)
        /// Goes with that question and with every answer to it: all through this place is committed, whatever the terms of both. Who has this place in its log
        /// knows it then, too. What is committed is not written down with the log, and a member that has started anew may stand in a configuration
        /// that was left long ago, whose majority is not there any more.
        case committed(Position)
        /// Carries the end of the candidate's log. A transfer was told by the leader to campaign, so nobody protects
        /// that leader from it (dissertation §4.2.3).
        case voteRequest(last: Position, isTransfer: Bool)
        case voteAnswer(granted: Bool)
        /// Entries that follow `previous`, which may be none.
        case append(previous: Position, entries: [Entry], commit: UInt64)
        /// The sender's log equals that of the leader of the message's term through `matched`, durably.
        case appendAnswer(matched: UInt64)
        /// The sender's log has not the previous position of index `rejected`; `hint` is the last place of its log
        /// that may still be equal to the leader's.
        case appendRefused(rejected: UInt64, hint: Position)
        /// Entries through this index are committed. Counts as far as the receiver's log is known to be the leader's, and is not
        /// answered: who misses it hears the same from the next entries or heartbeat.
        case commit(UInt64)
        /// Rounds rise and never repeat within a term.
        case heartbeat(commit: UInt64, round: UInt64)
        /// Has the meaning of `appendAnswer`, too: a member that restarted says less than before.
        case heartbeatAnswer(round: UInt64, matched: UInt64)
        /// Made by the receiver's own shell, from the leader, when a whole snapshot was received and verified.
        case snapshot(SnapshotHead)
        /// From which index on may I read? Ids never repeat, over restarts either.
        case readRequest(id: UInt64)
        /// Read when this index is applied; nil: ask again later.
        case readAnswer(id: UInt64, index: UInt64?)
        /// Campaign at once: you are to lead next.
        case timeoutNow
        /// Proposals for the leader of the message's term and for no other. The upper half of the sequence is drawn at
        /// random by each run of the sender, the lower half counts: a leader takes a sequence at most once.
        case forward(sequence: UInt64, proposals: [Proposal])
        /// The last `count` proposals of the forward were not taken.
        case forwardRefused(sequence: UInt64, count: Int, refusal: Refusal)
    }

    package var from: UInt64
    package var to: UInt64
    package var term: UInt64
    package var body: Body

    package init(from: UInt64, to: UInt64, term: UInt64, body: Body) {
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }
}

/// Which state a snapshot holds.
package struct SnapshotHead: Hashable, Sendable {
    /// The last entry that was applied to it.
    package var position: Position
    /// In force after that entry.
    package var configuration: Configuration

    package init(position: Position, configuration: Configuration) {
        self.position = position
        self.configuration = configuration
    }
}

/// Why proposals or a transfer were not taken. Nothing of them was appended; asking again is safe.
package enum Refusal: Hashable, Sendable {
    case notLeader(leader: UInt64?)
    /// Taking it would hold more than `bytesMax` bytes that are not committed.
    case uncommittedBytes(bytesMax: Int)
    /// Leadership is being handed over.
    case transferring(to: UInt64)
    /// An earlier change of the configuration is not applied yet.
    case changePending
    /// The change does not fit the configuration in force.
    case change(ConfigurationError)
    /// Nobody but a voter can lead.
    case notVoter(UInt64)
}
