import Host
import Raft

/// What a member finds when it starts.
struct Opened: ~Copyable {
    var log: Log
    var raft: Raft
    var applied: Position
    var isRecovering: Bool
    /// Why its log was set aside now.
    var damage: ReplicaError?
}

extension ReplicaCore {
    /// Recovers the log, gives the machine what it has not applied and is known to be committed, and takes up the
    /// membership. A group of one leads at once.
    /// - Parameters:
    ///   - directory: made when missing; everything of this member lies in it.
    ///   - identity: random, another one at every start: it marks this run's proposals.
    /// - Throws: `.corrupt` with file and offset when the log is damaged and no other member could repair it;
    ///   `.locked` when it is open already; `.mismatch` when log and machine do not belong together, or there is no
    ///   group to take part in.
    package static func open(
        directory: String, disk: any Disk, machine: Machine, options: ReplicaOptions, identity: UInt64, membership: Membership
    ) throws(ReplicaError) -> ReplicaCore {
        let lock = try translating { () throws(DiskError) in
            try disk.makeDirectory(directory)
            try disk.makeDirectory(directory + "/snapshot")
            return try disk.lock("\(directory)/lock")
        }
        let opening = ReplicaOpening(
            directory: directory, disk: disk, machine: machine, options: options, identity: identity, membership: membership)
        let opened = try opening.run()
        // No two runs share a number, though the caller's were poor: each leaves another log behind.
        var run = (identity ^ opened.log.hardState.term &* 0x9E37_79B9_7F4A_7C15) &+ opened.log.last.index &* 0xBF58_476D_1CE4_E5B9
        run = run == 0 ? 1 : run
        var core = ReplicaCore(
            opened, machine: machine, options: options, directory: directory, disk: disk, lock: lock, run: run)
        try core.absorb(core.raft.step(.start))
        // Nobody listens yet: whatever wants to leave is sent again later.
        try core.finish { _ in }
        core.outputs = ReplicaOutputs()
        return core
    }

    package var status: ReplicaStatus {
        let others = raft.role == .leader ? raft.configuration.members.filter { $0 != raft.id } : []
        return ReplicaStatus(
            id: raft.id, term: raft.hardState.term, role: raft.role, leader: raft.leader, lastIndex: raft.last.index,
            commitIndex: raft.commit, appliedIndex: applied.index, durableIndex: raft.durable.index,
            firstIndex: log.firstIndex, segments: log.segments.count, configuration: raft.configuration,
            members: others.compactMap { id in
                raft.progress(of: id).map {
                    MemberProgress(id: id, match: $0.match, isActive: $0.isActive, needsSnapshot: $0.state == .snapshot)
                }
            },
            pending: proposals.count, leadership: leadership, isRecovering: isRecovering, unmet: raft.isFounding ? unmet.sorted() : [],
            trouble: isStuck || isShort ? .noSpace : nil)
    }

    /// The term of an entry of the log; nil where it holds none.
    package func term(at index: UInt64) -> UInt64? { log.terms.term(at: index) }
}
