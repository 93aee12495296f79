import Raft

/// Who belongs to the cluster, as the newest applied configuration says.
struct Seats {
    var voters: [UInt64] = []
    var learners: [UInt64] = []
    private(set) var isJoint = false
    private(set) var leavesByItself = false
    /// Members that are to become voters once they have caught up, and whom they replace.
    var candidates: [(id: UInt64, replaces: UInt64?)] = []

    var all: [UInt64] { voters + learners }
    func isSeated(_ id: UInt64) -> Bool { voters.contains(id) || learners.contains(id) }

    mutating func apply(_ configuration: Configuration) {
        voters = configuration.voters
        for id in configuration.outgoing where !voters.contains(id) { voters.append(id) }
        learners = configuration.learners + configuration.learnersNext
        isJoint = configuration.isJoint
        leavesByItself = configuration.autoLeave
        candidates.removeAll { voters.contains($0.id) }
    }
}
