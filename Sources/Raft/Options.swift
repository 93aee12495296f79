extension Raft {
    package struct Options: Hashable, Sendable {
        /// Ticks without a leader before an election; drawn from this up to less than twice as many.
        package var electionTicks = 10
        package var heartbeatTicks = 2
        /// Must differ between members and between runs of one member's process.
        package var seed: UInt64 = 0
        /// Most bytes of proposals that may be appended and not committed. One proposal is always let in.
        package var uncommittedBytesMax = 64 << 20
        /// Most messages with entries on their way to one member.
        package var inflightMessagesMax = 128
        package var inflightBytesMax = 8 << 20
        /// Most bytes of entries in one message. One entry always fits.
        package var appendBytesMax = 1 << 20
        /// Applied entries that stay in memory for slow members. Who needs older ones gets a snapshot.
        package var retainedBytesMax = 32 << 20
        /// The leader answers reads by its lease, without asking (dissertation §6.4.1): as right as the clocks'
        /// rates are. All members must agree on it.
        package var leaseReads = false
        /// The log lost entries that were acknowledged: no vote and no campaign before `.repaired`.
        package var isRepairing = false
        /// The group begins, and this member has not met all that begin it with it: no campaign before `.founded`, or before one of
        /// them leads.
        package var isFounding = false

        package init() {}
    }
}
