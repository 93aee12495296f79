import Host
import Raft

/// What a replica keeps the same on all its members: commands go in, in the order of the log.
///
/// All calls but `snapshot`, `prepare` and `discard` come from one thread at a time: the replica's own, or who opens it.
package protocol StateMachine: AnyObject, Sendable {
    associatedtype Output: Sendable
    /// What the machine's storage held durably when it was opened, then what was applied since. Replay starts after it.
    var applied: Applied { get }
    /// Applies committed commands in order; one output each. A throw ends the process: our own storage failed.
    func apply(_ commands: [Command]) throws -> [Output]
    /// Makes the applied state durable (fsync). The log may be cut up to the returned index afterwards.
    func checkpoint() throws -> UInt64
    /// Writes the whole state into one new file. Called on any thread, while `apply` goes on.
    func snapshot(to path: String) throws -> SnapshotHead
    /// Reads a file that another member's `snapshot` wrote, so that `install` need not take long. Called on any thread,
    /// while `apply` goes on.
    /// - Throws: when it is nothing to install, whoever sent it.
    func prepare(_ path: String, _ head: SnapshotHead) throws
    /// What was prepared of this file is not needed, or no more. Called on any thread.
    func discard(_ path: String)
    /// Replaces the whole state by that of a file which `snapshot` of another member wrote. Durable when it
    /// returns; a crash before leaves the old state whole. The file was prepared, and may be moved away.
    func install(_ path: String, _ head: SnapshotHead) throws
    /// Commands that this machine wants proposed, as the expiry of a lease. Asked every tick while this member leads,
    /// has applied all of the terms before and was heard by a quorum after its last pause. They are applied in the
    /// term of `leadership` or never.
    func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]]
}

extension StateMachine {
    package func prepare(_ path: String, _ head: SnapshotHead) throws {}
    package func discard(_ path: String) {}
    package func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]] { [] }
}

/// How far a machine has come.
package struct Applied: Hashable, Sendable {
    package var position: Position
    /// The members after the last change that was applied. Nil: the machine is blank and belongs to no group yet.
    package var configuration: Configuration?

    package init(position: Position, configuration: Configuration?) {
        self.position = position
        self.configuration = configuration
    }

    package static let blank = Applied(position: .start, configuration: nil)
}

/// A committed entry of the log. Empty bytes without a configuration change nothing, but count as applied.
package struct Command: Hashable, Sendable {
    package var index: UInt64
    package var term: UInt64
    /// What was proposed; empty for a leader's no-op. In a change of the members the change's context.
    package var bytes: [UInt8]
    /// The members from this entry on, in a change of them.
    package var configuration: Configuration?

    package init(index: UInt64, term: UInt64, bytes: [UInt8], configuration: Configuration? = nil) {
        self.index = index
        self.term = term
        self.bytes = bytes
        self.configuration = configuration
    }
}

/// One member's time as leader.
package struct Leadership: Hashable, Sendable {
    package var term: UInt64
    /// Since when it leads without a pause: a pause of more than half an election begins it anew, so that whatever
    /// is counted from here never counts time nobody saw pass.
    package var since: Instant

    package init(term: UInt64, since: Instant) {
        self.term = term
        self.since = since
    }
}
