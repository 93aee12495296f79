import Raft

/// Limits of one replica. All sizes in bytes.
package struct ReplicaOptions: Hashable, Sendable {
    /// This member's number; not 0.
    package var id: UInt64 = 1
    /// The group's number; 0 when it is not known.
    package var cluster: UInt64 = 0
    /// Size of one segment file, 4 KiB to 16 MiB.
    package var segmentBytes: Int = 16 << 20
    /// Most bytes of commands that share one write and one fdatasync.
    package var batchBytesMax: Int = 4 << 20
    /// Largest single command. Lowered to what a segment can hold.
    package var commandBytesMax: Int = 4 << 20
    /// Most bytes of commands that may wait; more are refused as overloaded.
    package var waitingBytesMax: Int = 64 << 20
    /// A checkpoint follows after this many bytes of log …
    package var checkpointBytes: Int = 32 << 20
    /// … or this many commands, at the next quiet moment, or at twice as much in any case.
    package var checkpointCommands: Int = 100_000
    /// Whether checkpoints are asked for in `ReplicaOutputs.makeCheckpoint`, so that nobody waits for the machine's
    /// storage, or made at once.
    package var checkpointsAside = false
    /// Whether a snapshot's parts are kept by way of `ReplicaOutputs.keepParts`, so that nobody waits for them, or at once.
    package var snapshotsAside = false
    /// Where a new log begins, for a machine whose state came from a backup. Ignored by a log that exists.
    package var base = Position.start
    /// Length of a tick.
    package var tick: Duration = .milliseconds(50)
    /// Ticks without a leader before an election; up to twice as many.
    package var electionTicks = 10
    package var heartbeatTicks = 2
    /// Reads of the leader trust its lease and ask nobody. Off: clocks may run at different speeds.
    package var leaseReads = false
    /// Committed entries that are kept in memory for slow members; who needs older ones gets a snapshot.
    package var retainedBytesMax: Int = 32 << 20
    /// Ticks after which a proposal or a read is answered as timed out: five seconds and two elections, as etcd has it
    /// (server/config, ReqTimeout).
    package var requestTicks = 120
    /// Size of a snapshot's parts.
    package var chunkBytes = SnapshotChunk.bytesMax
    /// Parts of a snapshot that may be under way to one member at once.
    package var chunksInFlightMax = 4

    package init() {}
}
