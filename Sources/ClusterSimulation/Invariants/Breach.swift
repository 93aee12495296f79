/// A promise that was not kept: the simulation has found a bug.
package struct Breach: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Invariant: String, Hashable, Sendable, CaseIterable {
        case oneLeader = "one leader per term"
        case majority = "a leader has the votes of a majority"
        case oneVote = "one vote per term"
        case leaderComplete = "a leader has all that is committed"
        case committed = "what is committed is on a majority"
        case ownTerm = "a leader counts only entries of its own term"
        case logMatching = "log matching"
        case committedStays = "committed entries never change"
        case indexOrder = "applied ≤ commit ≤ durable"
        case durable = "what was promised durable is durable"
        case machinesAgree = "every member makes the same of the log"
        case appliedOnce = "a command is applied at most once"
        case linearizable = "calls are linearizable"
        case neverBack = "revisions never go back"
        case watch = "watches tell everything once, in order"
        case lease = "a lease lasts"
        case configuration = "one change of members at a time"
        case progress = "after healing all goes on"
        case goesOn = "without a minority the others go on"
        case equal = "after healing all members are equal"
        case stands = "a member ends only by a fault"
        case wire = "what members say is understood"
        case opens = "a sound directory opens"
    }

    package var invariant: Invariant
    package var text: String

    package init(_ invariant: Invariant, _ text: String) {
        self.invariant = invariant
        self.text = text
    }

    package var description: String { "\(invariant.rawValue): \(text)" }
}
