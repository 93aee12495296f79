import Raft

/// Limits of one replica's log. All sizes in bytes.
package struct ReplicaOptions: Hashable, Sendable {
    /// This member's number; not 0.
    package var id: UInt64 = 1
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
    /// Where a new log begins, for a machine whose state came from a backup. Ignored by a log that exists.
    package var base = Position.start

    package init() {}
}
