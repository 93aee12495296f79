import Raft

/// What happens to a member. The ids are the caller's; each is answered once, and used once.
package enum ReplicaInput: Sendable {
    /// So many ticks have passed. More than half an election at once count as a pause of the process: they are not
    /// made up for.
    case ticks(Int)
    case received(PeerMessage)
    case propose(id: UInt64, [UInt8])
    case change(id: UInt64, ConfigurationChange)
    case read(id: UInt64)
    /// Asks to lead no more, for this member. Look at `ReplicaStatus.leader` for the outcome.
    case transfer(to: UInt64)
    /// The same for whoever is best prepared: this machine is about to stop, or its disk is slow.
    case handOver
    /// There is a connection to this member: each of the two lets the other in, with the disk that it has.
    case met(peer: UInt64)
    /// The connection to this member broke.
    case lost(peer: UInt64)
    case snapshotMade(Result<SnapshotFile, ReplicaError>)
    /// What `StateMachine.checkpoint` answered.
    case checkpointMade(Result<UInt64, ReplicaError>)
    /// What `SnapshotPart.keep` answered.
    case partKept(SnapshotPart, SnapshotPart.Outcome)
}

/// What came of a step.
package struct ReplicaOutputs<Output: Sendable>: Sendable {
    package var answers: [(id: UInt64, result: Result<Output, ReplicaError>)] = []
    /// Success: the machine may be read, it holds all that was acknowledged before the read was asked.
    package var reads: [(id: UInt64, result: Result<Void, ReplicaError>)] = []
    /// Call `SnapshotFile.make` with this path, off the thread, and give its result back as `.snapshotMade`.
    package var makeSnapshot: String?
    /// Call `StateMachine.checkpoint`, off the thread, and give its result back as `.checkpointMade`.
    package var makeCheckpoint = false
    /// Call `SnapshotPart.keep` of each, off the thread and in this order, and give the outcomes back as `.partKept`.
    package var keepParts: [SnapshotPart] = []

    package init() {}
}
