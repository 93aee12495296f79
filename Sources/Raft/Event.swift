/// What happens to a member.
package enum Event: Hashable, Sendable {
    /// The first event after recovery.
    case start
    case tick
    /// The process stood still for more than half an election: what was known by the passing of time is void.
    case gap
    /// Taken in order. The first that is refused takes the rest with it.
    case propose([Proposal])
    /// The hard state and all entries up to `through` survive a crash; both as of the write that was done, which
    /// newer ones may have overtaken meanwhile.
    case persisted(HardState, through: Position)
    case received(Message)
    /// A linearizable read. Ids never repeat within a process run.
    case read(UInt64)
    case transfer(to: UInt64)
    /// The connection to this member broke.
    case lost(UInt64)
    /// A snapshot that `Effects.snapshotWanted` asked for was delivered as a whole, or given up.
    case snapshotSent(to: UInt64, succeeded: Bool)
    /// A member that opened with `Options.isRepairing` holds again all that it ever acknowledged.
    case repaired
    /// A member that opened with `Options.isFounding` has met all others: each of them knows it with the disk that it has.
    case founded
}
