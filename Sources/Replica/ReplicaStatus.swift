import Raft

/// A look at a replica, taken after its last write.
package struct ReplicaStatus: Hashable, Sendable {
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
}
