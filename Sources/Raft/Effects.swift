/// What the shell has to do: send at once; `save`, `restore` and `append` in one write, then answer with
/// `.persisted`; the rest at any time. Everything in `send` is safe to send before that write is done.
package struct Effects: Hashable, Sendable {
    package struct Configured: Hashable, Sendable {
        package var index: UInt64
        /// In force once the entry at `index` is applied.
        package var configuration: Configuration
        /// `ConfigurationChange.context`: a command for the machine.
        package var context: [UInt8]
    }

    package struct Read: Hashable, Sendable {
        package var id: UInt64
        /// The read may be answered from a state that has applied this entry.
        package var index: UInt64
    }

    package struct Forwarded: Hashable, Sendable {
        package var sequence: UInt64
        package var term: UInt64
        package var leader: UInt64
    }

    package struct RefusedForward: Hashable, Sendable {
        package var sequence: UInt64
        /// So many of its last proposals were not taken.
        package var count: Int
        package var refusal: Refusal
    }

    package struct Standing: Hashable, Sendable {
        package var role: Role
        package var leader: UInt64?
        package var term: UInt64
    }

    package var save: HardState?
    /// The log begins anew after this position; comes before `append`. The machine gets the snapshot.
    package var restore: SnapshotHead?
    /// The first index may be at or before the log's end: the suffix from there on is replaced.
    package var append: [Entry] = []
    package var send: [Message] = []
    /// Entries up to this index are committed and durable here: they may be applied. `Raft.entries` still has them
    /// until the next step.
    package var commit: UInt64?
    /// Every configuration entry among those, in order. The machine must have them durably before the next step: a
    /// sole voter that forgot that it is one would wait for the votes of learners who know more than it.
    package var configurations: [Configured] = []
    package var reads: [Read] = []
    /// No leader, or it was lost: ask again.
    package var readsFailed: [UInt64] = []
    /// These members need a snapshot of what is applied now, or newer.
    package var snapshotWanted: [UInt64] = []
    /// The proposals of the event, save for those refused, are on their way to the leader.
    package var forwarded: Forwarded?
    /// The last `refusedCount` proposals of the event were not taken (0: a transfer was not), and why.
    package var refused: Refusal?
    package var refusedCount = 0
    package var refusedForwards: [RefusedForward] = []
    /// Set when role, leader or term changed.
    package var standing: Standing?

    package init() {}
}

package enum Role: String, Hashable, Sendable { case follower, preCandidate, candidate, leader }
