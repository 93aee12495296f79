import Raft

/// A look at a replica, taken after its last step.
package struct ReplicaStatus: Hashable, Sendable {
    package var id: UInt64
    package var term: UInt64
    package var role: Role
    /// The member that leads the term, when known.
    package var leader: UInt64?
    package var lastIndex: UInt64
    package var commitIndex: UInt64
    package var appliedIndex: UInt64
    package var durableIndex: UInt64
    /// The first index the log still holds.
    package var firstIndex: UInt64
    package var segments: Int
    /// In force here.
    package var configuration: Configuration
    /// The leader's view of the others, sorted by id; empty elsewhere.
    package var members: [MemberProgress] = []
    /// Proposals made here that have no answer yet.
    package var pending = 0
    /// Set while this member leads and may let things expire.
    package var leadership: Leadership?
    /// Its log was damaged and set aside: it neither votes nor reads until a leader has caught it up.
    package var isRecovering = false
    /// With whom it is to begin the group, and whom it has not met yet: nobody leads before. Sorted.
    package var unmet: [UInt64] = []
    /// Why nothing is written now, as a full disk; nil when all is well.
    package var trouble: ReplicaError?

    package var isLearner: Bool { configuration.learners.contains(id) || configuration.learnersNext.contains(id) }
}

/// How far the leader knows another member to be.
package struct MemberProgress: Hashable, Sendable {
    package var id: UInt64
    /// The last entry known to be durable there.
    package var match: UInt64
    /// It was heard within the last election's time.
    package var isActive: Bool
    /// It needs, or is being sent, a snapshot.
    package var needsSnapshot: Bool
}
