import Store

/// Decides whether the members may be changed without risking the majority (etcd `IsReadyToAddVotingMember`,
/// `IsReadyToRemoveVotingMember`; here of those that are well, not of those that ever started).
struct MemberArithmetic {
    private let voters: [Member]

    init(_ members: [Member]) { voters = members.filter { !$0.isLearner } }

    private var healthy: Int { voters.count { $0.isHealthy } }

    private func refuse(_ change: String, voters after: Int, healthy left: Int) throws(StoreError) {
        let needed = after / 2 + 1
        guard left < needed else { return }
        throw .precondition(
            "etcdserver: re-configuration failed due to not enough started members", detail: """
                \(voters.count) voters, \(healthy) healthy; \(change) there would be \(after), \(left) of them healthy, and \
                \(needed) are needed
                """)
    }

    /// One voter may become two: the new one must come up then, or nothing is written.
    func checkAdding(isHealthy: Bool = false) throws(StoreError) {
        if voters.count == 1, healthy == 1 { return }
        try refuse("with one more", voters: voters.count + 1, healthy: healthy + (isHealthy ? 1 : 0))
    }

    func checkRemoving(_ id: UInt64) throws(StoreError) {
        let rest = voters.filter { $0.id != id }
        guard !rest.isEmpty else {
            throw .precondition(
                "etcdserver: re-configuration failed due to not enough started members",
                detail: "member \(hex(id)) is the only voter; without it there would be none")
        }
        try refuse("without member \(hex(id))", voters: rest.count, healthy: rest.count { $0.isHealthy })
    }

    /// The new one is well when it becomes a voter: it has caught up then.
    func checkReplacing(_ id: UInt64) throws(StoreError) {
        let rest = voters.filter { $0.id != id }
        try refuse("with a new one for member \(hex(id))", voters: voters.count, healthy: rest.count { $0.isHealthy } + 1)
    }
}
