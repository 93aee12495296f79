package enum Role: String, Hashable, Sendable { case follower, candidate, leader }

/// A place in the log. (0, 0) is before its start.
package struct Position: Hashable, Sendable {
    package var index: UInt64
    package var term: UInt64

    package init(index: UInt64, term: UInt64) {
        self.index = index
        self.term = term
    }

    package static let start = Position(index: 0, term: 0)
}

package struct Entry: Hashable, Sendable {
    package var index: UInt64
    package var term: UInt64
    /// Empty for the entry with which a leader opens its term.
    package var bytes: [UInt8]

    package init(index: UInt64, term: UInt64, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.bytes = bytes
    }

    package var position: Position { Position(index: index, term: term) }
}

/// What a member must remember before it speaks (Ongaro and Ousterhout 2014, figure 2).
package struct HardState: Hashable, Sendable {
    package var term: UInt64
    /// The candidate that has this member's vote in the term; 0 for none.
    package var vote: UInt64

    package init(term: UInt64 = 0, vote: UInt64 = 0) {
        self.term = term
        self.vote = vote
    }
}

package struct Message: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        /// Carries the end of the candidate's log.
        case voteRequest(last: Position)
        case voteAnswer(granted: Bool)
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

package enum Event: Hashable, Sendable {
    /// The first event after recovery.
    case start
    case tick
    case propose([[UInt8]])
    /// The hard state and all entries up to `through` survive a crash.
    case persisted(HardState, through: Position)
    case received(Message)
}

/// Why proposals were not taken.
package enum Refusal: Hashable, Sendable {
    case notLeader(leader: UInt64?)
    /// Taking it would hold more than `bytesMax` bytes that are not committed.
    case uncommittedBytes(bytesMax: Int)
}

/// What the shell has to do, in this order: save and append in one write, then answer with `.persisted`;
/// the rest at any time. Everything in `send` is safe to send at once.
package struct Effects: Hashable, Sendable {
    package var save: HardState?
    package var append: [Entry] = []
    package var send: [Message] = []
    /// Entries up to this index may be applied.
    package var commit: UInt64?
    package var role: Role?
    /// The last `refusedCount` proposals of the event were not taken, and why.
    package var refused: Refusal?
    package var refusedCount = 0

    package init() {}
}
