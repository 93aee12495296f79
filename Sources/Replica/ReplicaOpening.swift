import Host
import Raft

/// Brings log, machine and membership together when a member starts.
struct ReplicaOpening<Machine: StateMachine> {
    let directory: String
    let disk: any Disk
    let machine: Machine
    let options: ReplicaOptions
    let identity: UInt64
    let membership: Membership

    func run() throws(ReplicaError) -> Opened {
        let repair = Repair(directory, disk: disk)
        var state = try repair.state()
        var damage: ReplicaError?
        if state == .none || state == .recovering {
            try checkLog()
            do throws(ReplicaError) {
                return try open(beginning: HardState(term: options.base.term), after: options.base, isRecovering: state == .recovering)
            } catch {
                switch error {
                case .corrupt, .mismatch:
                    guard hasPeers else { throw error }
                    damage = error
                default: throw error
                }
            }
        }
        // Damaged, and others have all that counts.
        let applied = machine.applied.position
        let term = max(try repair.setAside(), applied.term)
        var opened = try open(beginning: HardState(term: term), after: applied, isRecovering: true)
        try repair.begun(term: term)
        state = .recovering
        opened.damage = damage
        return opened
    }

    /// A log that is gone as a whole took its term along: nothing is begun in its place.
    private func checkLog() throws(ReplicaError) {
        let applied = machine.applied.position.index
        guard applied > options.base.index else { return }
        let names = try translating { () throws(DiskError) in try disk.list(directory) }
        guard !names.contains(where: { SegmentHeader.sequence(of: $0) != nil }) else { return }
        throw .mismatch(
            "the state holds entries up to \(applied), but \(directory) holds no segment of a log: they do not belong together; bring back the log "
                + "that is missing, or restore a backup; a member of several is replaced (plasma chainfire member replace), as it may have voted in a term that it does not know any more")
    }

    /// Whether others can elect a leader without this member, which then gives it what was lost. Until that it votes for nobody.
    private var hasPeers: Bool {
        func canElect(_ configuration: Configuration) -> Bool { Quorum.verdict(of: configuration) { $0 != options.id } == .won }
        if let configuration = machine.applied.configuration { return canElect(configuration) }
        switch membership {
        case .existing: return false
        case .bootstrap(let configuration): return canElect(configuration)
        case .joining: return true
        }
    }

    private func open(beginning hardState: HardState, after base: Position, isRecovering: Bool) throws(ReplicaError) -> Opened {
        var found = try Log.open(
            directory, disk: disk, segmentBytes: options.segmentBytes,
            beginning: .init(after: base, hardState: hardState, identity: identity | 1),
            applied: machine.applied.position.index, retainedBytesMax: options.retainedBytesMax)
        try finishInstallation(&found)
        try checkMatch(found)
        try bootstrap(&found, isRecovering: isRecovering)
        try applyBeginning(found)
        let applied = machine.applied
        guard applied.configuration != nil || membership != .existing || isRecovering else {
            throw .mismatch(
                "\(directory) holds no member of a group; begin one with bootstrap, or join one")
        }
        var limits = Raft.Options()
        limits.electionTicks = options.electionTicks
        limits.heartbeatTicks = options.heartbeatTicks
        limits.leaseReads = options.leaseReads
        limits.retainedBytesMax = options.retainedBytesMax
        limits.seed = identity ^ options.id &* 0x9E37_79B9_7F4A_7C15
        limits.isRepairing = isRecovering
        limits.isFounding = isFounding(found)
        // Whatever a message brings must fit one batch of the log.
        limits.appendBytesMax = min(limits.appendBytesMax, found.log.batchBytesMax / 2)
        let raft = Raft(
            id: options.id, configuration: applied.configuration ?? Configuration(), hardState: found.log.hardState,
            base: found.base, entries: found.entries, commit: max(applied.position.index, found.base.index), options: limits)
        let position = applied.position.index >= found.base.index ? applied.position : found.base
        return Opened(log: found.log, raft: raft, applied: position, isRecovering: isRecovering)
    }

    /// A crash may have come after the machine took a snapshot and before the log knew.
    private func finishInstallation(_ found: inout FoundLog) throws(ReplicaError) {
        let mark = InstallationMark(directory, disk: disk)
        let applied = machine.applied.position
        let position: Position?
        do throws(ReplicaError) { position = try mark.read() } catch {
            // Damaged: of no interest where log and state go together. Elsewhere it is the log that is begun anew.
            guard case .corrupt = error, found.log.terms.term(at: applied.index) == applied.term else { throw error }
            position = applied
        }
        if let position {
            if applied == position, found.log.terms.term(at: position.index) != position.term {
                try found.log.restore(after: position)
                found.base = position
                found.entries = []
            }
            try mark.remove()
        }
        try translating { () throws(DiskError) in
            for name in try disk.list(directory + "/snapshot") { try disk.remove("\(directory)/snapshot/\(name)") }
        }
    }

    private func checkMatch(_ found: borrowing FoundLog) throws(ReplicaError) {
        let applied = machine.applied.position
        guard applied.index <= found.log.last.index else {
            throw .mismatch(
                "the state holds entries up to \(applied.index), but the log in \(directory) ends with \(found.log.last.index): "
                    + "they do not belong together; bring back the log that is missing, or restore a backup")
        }
        guard applied.index >= found.log.terms.base.index else {
            throw .mismatch(
                "the state holds entries up to \(applied.index), but the log in \(directory) begins with \(found.log.firstIndex): "
                    + "they do not belong together; bring back the state that is missing, or restore a backup")
        }
        let place = Int(clamping: applied.index) - Int(clamping: found.base.index) - 1
        let kept = found.entries.indices.contains(place) ? found.entries[place].term : nil
        if let term = kept ?? found.log.terms.term(at: applied.index), term != applied.term, applied.index > 0 {
            throw .mismatch(
                "the state's last entry, \(applied.index), is of term \(applied.term), but in the log in \(directory) of term \(term): "
                    + "they do not belong together; restore both from one backup")
        }
    }

    /// The first entry of a new group, the same on every member, of the term before any election. It is committed by its
    /// nature.
    private func bootstrap(_ found: inout FoundLog, isRecovering: Bool) throws(ReplicaError) {
        let base = found.log.terms.base
        guard case .bootstrap(let configuration) = membership, !isRecovering, machine.applied.configuration == nil,
            found.log.last == base, found.log.hardState.term == base.term
        else { return }
        let entries = [
            Entry(
                index: base.index + 1, term: base.term + 1, kind: .configuration,
                bytes: ConfigurationChange.founding(configuration).encoded)
        ]
        try found.log.append(entries, save: HardState(term: base.term + 1))
        found.entries = entries
        found.base = base
    }

    /// Whether the group's first entry is all there is, and nobody was voted for: then others may have to be met first. Two of three with
    /// empty disks would begin the group anew while the third, which has its disk, is not reached, and what was acknowledged would be lost.
    private func isFounding(_ found: borrowing FoundLog) -> Bool {
        guard let configuration = machine.applied.configuration, configuration.members.count > 1 else { return false }
        let base = options.base
        // What was restored from a snapshot begins without such an entry.
        if base.index > 0, found.log.last == base { return found.log.hardState == HardState(term: base.term) }
        return found.log.last == Position(index: base.index + 1, term: base.term + 1) && found.log.hardState == HardState(term: base.term + 1)
    }

    /// Has the machine apply that first entry. No other can be one: a leader opens its term with a no-op, so a change of
    /// members is never the first of a term.
    private func applyBeginning(_ found: borrowing FoundLog) throws(ReplicaError) {
        guard machine.applied.configuration == nil, let entry = found.entries.first, entry.kind == .configuration,
            entry.term == found.base.term + 1, entry.index > machine.applied.position.index,
            let change = ConfigurationChange(decoding: entry.bytes),
            let configuration = try? Configuration().applying(change)
        else { return }
        let command = Command(index: entry.index, term: entry.term, bytes: change.context, configuration: configuration)
        do { _ = try machine.apply([command]) } catch { throw .storage("could not apply the group's first entry: \(error)") }
    }
}
