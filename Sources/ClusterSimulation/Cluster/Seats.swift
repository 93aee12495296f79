import Raft

/// Who belongs to the cluster, as the newest applied configuration says.
struct Seats {
    var voters: [UInt64] = []
    var learners: [UInt64] = []
    private(set) var isJoint = false
    private(set) var leavesByItself = false
    /// Members that are to become voters once they have caught up, and whom they replace.
    var candidates: [(id: UInt64, replaces: UInt64?)] = []

    /// Voters that may leave yet: a removal that was asked for may wait in some log until there is a leader again.
    var leaving: Set<UInt64> = []

    /// How few voters there may be before long.
    var fewestVoters: Int { voters.count { !leaving.contains($0) } }

    var all: [UInt64] { voters + learners }
    func isSeated(_ id: UInt64) -> Bool { voters.contains(id) || learners.contains(id) }

    mutating func apply(_ configuration: Configuration) {
        voters = configuration.voters
        for id in configuration.outgoing where !voters.contains(id) { voters.append(id) }
        learners = configuration.learners + configuration.learnersNext
        isJoint = configuration.isJoint
        leavesByItself = configuration.autoLeave
        // One change at a time: none is under way beside the one that came.
        leaving = []
        candidates.removeAll { voters.contains($0.id) }
    }
}
