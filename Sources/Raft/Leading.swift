/// What only a leader has, for as long as it leads.
struct Leading: Sendable {
    struct Read: Sendable {
        /// The member that asked; the leader itself for its own shell.
        var from: UInt64
        var id: UInt64
        var index: UInt64 = 0
        var round: UInt64 = 0
    }

    /// What was taken from one run of a member's process.
    struct Forwarder: Sendable {
        var member: UInt64
        var run: UInt64
        var last: UInt64
    }

    /// How far the others know that this leader is none of the voters any more.
    struct Resignation: Sendable {
        /// Where the log says so.
        var index: UInt64
        /// Heartbeats from this round on say that it is committed.
        var round: UInt64
        /// Members that have both.
        var aware: [UInt64] = []
    }

    /// Where the leader's term begins in the log: only entries from here on commit by being counted (§5.4.2).
    var termStart: UInt64
    var uncommittedBytes = 0
    var sinceHeartbeat = 0
    var sinceQuorumCheck = 0

    /// The last heartbeat round that was started. Rounds never repeat within a term.
    var round: UInt64 = 0
    /// A majority answered this round.
    var confirmed: UInt64 = 0
    /// After a pause of the process: the round that must be confirmed before this member trusts its leadership.
    var verifying: UInt64 = 0
    /// Reads that belong to no round yet.
    var queued: [Read] = []
    /// Reads of rounds that are not confirmed, oldest first.
    var asked: [Read] = []

    /// Since when rounds that may prolong the lease are on their way.
    var roundStarts: [(round: UInt64, tick: UInt64)] = []
    /// The start of the last confirmed round.
    var leaseStart: UInt64?
    /// Somebody was told to campaign in spite of all leases.
    var leaseIsVoid = false

    var sinceTransfer = 0
    /// Set when this leader was removed or demoted.
    var resignation: Resignation?
    var forwarders: [Forwarder] = []

    init(termStart: UInt64) {
        self.termStart = termStart
    }
}
