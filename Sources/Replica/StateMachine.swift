/// What a replica keeps the same on all its members: commands go in, in the order of the log.
package protocol StateMachine: AnyObject, Sendable {
    associatedtype Output: Sendable
    /// The log index up to which the machine's own storage already holds effects (committed, maybe not
    /// yet fsynced). Replay starts after it.
    var appliedIndex: UInt64 { get }
    /// Applies committed commands in order; one output each. Called from the replica's loop only (and from
    /// `Replica.init` for the replay). A throw ends the process: our own storage failed.
    func apply(_ commands: [Command]) throws -> [Output]
    /// Makes the applied state durable (fsync). The log may be cut up to the returned index afterwards.
    func checkpoint() throws -> UInt64
}

/// A committed entry of the log. Its bytes are never empty: the leader's no-ops do not reach the machine,
/// so indexes rise but may skip.
package struct Command: Hashable, Sendable {
    package var index: UInt64
    package var term: UInt64
    package var bytes: [UInt8]

    package init(index: UInt64, term: UInt64, bytes: [UInt8]) {
        self.index = index
        self.term = term
        self.bytes = bytes
    }
}
