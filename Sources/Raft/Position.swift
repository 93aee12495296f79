/// A place in the log. (0, 0) is before its start.
package struct Position: Hashable, Sendable {
    package var index: UInt64
    package var term: UInt64

    package init(index: UInt64, term: UInt64) {
        self.index = index
        self.term = term
    }

    package static let start = Position(index: 0, term: 0)

    /// Whether a log that ends here holds all that one ending at `other` may have committed (Raft §5.4.1).
    func isUpToDate(with other: Position) -> Bool {
        (term, index) >= (other.term, other.index)
    }
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
