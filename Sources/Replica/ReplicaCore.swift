import DequeModule
import Host
import Raft

/// One member without its loop: the decider, its log and its machine. It has no thread, clock or socket, and every
/// call blocks on the disk: a test drives the very code that serves.
///
/// A step takes all that has happened, lets Raft decide, sends what may leave at once, makes what it asks for durable
/// with one write and one sync, sends the rest, applies what is committed, and answers.
package struct ReplicaCore<Machine: StateMachine>: ~Copyable, Sendable {
    package typealias Send = ([PeerMessage]) -> Void

    /// For looking at.
    package internal(set) var raft: Raft
    var log: Log
    let machine: Machine
    let options: ReplicaOptions
    let directory: String
    let disk: any Disk
    let lock: any DiskLock
    let repair: Repair

    /// In the log or about to be written, and not given to the machine yet.
    var unapplied: Deque<Entry>
    /// The last entry that was, no-ops included.
    package internal(set) var applied: Position
    /// May be applied.
    var committed: UInt64 = 0
    /// The changes of members among what may be applied.
    var configured: Deque<Effects.Configured> = []

    /// Asked for by Raft, and not written yet.
    var pendingEntries: [Entry] = []
    var pendingBytes = 0
    var pendingSave: HardState?
    /// The log began anew: Raft waits to hear that it is durable.
    var mustConfirm = false
    /// The disk refused a write that was due.
    var isRefused = false
    /// There is no room for what Raft writes by itself.
    var lacksSlack = false
    /// Nothing goes on before the disk takes what it refused.
    var isStuck: Bool { isRefused || lacksSlack }
    /// Ticks passed meanwhile that Raft does not know of.
    var hasMissedTime = false
    private var slowDisk: SlowDisk
    /// What was last asked for found no room.
    var isShort = false
    /// Since which tick the disk has refused now and then; nil when it has taken everything for an election's time.
    var fullSince: UInt64?
    /// When something was last refused for want of room.
    var refusedAt: UInt64 = 0
    /// Who said that its own disk is full, and when.
    var fullPeers: [UInt64: UInt64] = [:]

    var outbox: [PeerMessage] = []
    var outputs = ReplicaOutputs<Machine.Output>()
    var proposals: Proposals
    /// Before this tick what waits is not proposed again: it was just refused.
    var holdUntil: UInt64 = 0
    var reads = Reads()
    var ticks: UInt64 = 0
    var leadership: Leadership?

    var sender: SnapshotSender
    var receiver: SnapshotReceiver
    var outgoing: (any DiskFile)?
    var incoming: IncomingSnapshot?
    var incomingNumber = 0
    var snapshotNumber = 0

    /// Why the log was set aside when it was opened; nil: it was not.
    package private(set) var damage: ReplicaError?
    var isRecovering: Bool
    /// The question after which this member may count itself as caught up, and when it was asked.
    var repairRead: (number: UInt64, asked: UInt64)?
    var repairIndex: UInt64?
    /// In which a leader's entries were found to follow this log: by then that leader has heard what was lost.
    var repairTerm: UInt64?

    /// Who begins the group with this member and was not met yet.
    var unmet: Set<UInt64> = []

    var bytesSinceCheckpoint = 0
    var commandsSinceCheckpoint = 0
    /// Somebody was asked to make one.
    var isCheckpointing = false
    package var counts = ReplicaCounts()
    /// The last of which a leader was known.
    private var ledTerm: UInt64 = 0

    init(
        _ opened: consuming Opened, machine: Machine, options: ReplicaOptions, directory: String, disk: any Disk,
        lock: any DiskLock, run: UInt64
    ) {
        raft = opened.raft
        applied = opened.applied
        unapplied = Deque(opened.raft.entries(after: opened.applied.index, through: opened.raft.last.index))
        isRecovering = opened.isRecovering
        damage = opened.damage
        if opened.raft.isFounding { unmet = Set(opened.raft.configuration.members).subtracting([options.id]) }
        log = opened.log
        self.machine = machine
        self.options = options
        self.directory = directory
        self.disk = disk
        self.lock = lock
        repair = Repair(directory, disk: disk)
        slowDisk = SlowDisk(limit: options.tick * options.electionTicks / 2)
        proposals = Proposals(run: run)
        let election = UInt64(options.electionTicks)
        sender = SnapshotSender(
            options: .init(
                chunkBytes: UInt64(options.chunkBytes), window: options.chunksInFlightMax, patience: election, endurance: 20 * election))
        receiver = SnapshotReceiver(patience: 2 * election)
        takeTurns()
    }

    /// Whether this disk is too slow to lead with: then hand over.
    /// - Parameter sync: the longest since it was asked last; zero: there was none.
    package mutating func mustHandOver(afterSync sync: Duration) -> Bool { slowDisk.isTooSlow(sync) && raft.role == .leader }

    /// Voters that count the same entries would make their checkpoints at the same time, and no quorum would be without one. So each
    /// begins its round at another index.
    mutating func takeTurns() {
        (bytesSinceCheckpoint, commandsSinceCheckpoint) = (0, 0)
        let voters = raft.configuration.voters.sorted()
        guard let place = voters.firstIndex(of: options.id) else { return }
        let commands = options.checkpointCommands
        commandsSinceCheckpoint = (Int(applied.index % UInt64(commands)) + commands / voters.count * place) % commands
        bytesSinceCheckpoint = Int(Double(options.checkpointBytes) * Double(commandsSinceCheckpoint) / Double(commands))
    }

    /// Takes what has happened, in order.
    /// - Parameters:
    ///   - now: the monotonic clock's, for the machine; what this core counts are ticks.
    ///   - send: called at most a few times, before and after each write and at the end.
    /// - Throws: `.storage` when the log or the machine failed. The process must end then; what has no answer is
    ///   unknown.
    package mutating func step(
        _ inputs: [ReplicaInput], now: Instant, send: Send
    ) throws(ReplicaError) -> ReplicaOutputs<Machine.Output> {
        outputs = ReplicaOutputs()
        try unstick(send)
        try seeMissedTime()
        for input in inputs { try take(input, now, send) }
        // Twice: what waited for a leader need not wait for the next step when one was found in this.
        for _ in 0..<2 {
            try seeMissedTime()
            try submit(send)
            try askReads()
            try finish(send)
            if !proposals.someWait, !reads.someWait { break }
        }
        if leadership == nil, mayLead { leadership = Leadership(term: raft.hardState.term, since: now) }
        try checkpointIfDue(factor: options.checkpointsAside ? 1 : 2)
        return outputs
    }

    /// Called when nothing waits to be done, and nothing came for a tick.
    package mutating func rest() throws(ReplicaError) {
        if !isStuck { try log.mark() }
        if !options.checkpointsAside { try checkpointIfDue(factor: 1) }
    }

    /// Marks the log's end durably.
    package mutating func close() throws(ReplicaError) { try log.close() }

    /// Largest command that may be proposed.
    package var commandBytesMax: Int { min(options.commandBytesMax, log.entryBytesMax - Proposals.Header.size) }

    /// Whether this member leads and has applied all that was acknowledged before.
    var mayLead: Bool { raft.role == .leader && raft.isVerified && applied.term == raft.hardState.term }

    private mutating func take(_ input: ReplicaInput, _ now: Instant, _ send: Send) throws(ReplicaError) {
        let deadline = ticks + UInt64(options.requestTicks)
        switch input {
        case .ticks(let count): try pass(count, now, send)
        case .received(let message): try receive(message, send)
        case .propose(let id, let bytes):
            if isStuck { return answer(id, .noSpace) }
            guard bytes.count <= commandBytesMax else {
                return answer(id, .tooLarge(bytes: bytes.count, bytesMax: commandBytesMax))
            }
            proposals.add(id: id, bytes, deadline: deadline)
        case .change(let id, let change):
            if isStuck { return answer(id, .noSpace) }
            let bytes = change.encoded.count
            guard bytes <= commandBytesMax else { return answer(id, .tooLarge(bytes: bytes, bytesMax: commandBytesMax)) }
            proposals.add(id: id, change, deadline: deadline)
        case .read(let id): reads.add(id: id, deadline: deadline)
        case .transfer(let member):
            if raft.role == .leader, !isStuck { try absorb(raft.step(.transfer(to: member))) }
        case .handOver: _ = try handOver()
        case .met(let peer):
            if unmet.remove(peer) != nil, unmet.isEmpty { try absorb(raft.step(.founded)) }
        case .lost(let peer):
            sender.lost(peer)
            if !isStuck { try absorb(raft.step(.lost(peer))) }
        case .snapshotMade(let result): try carryOut(sender.made(result, now: ticks))
        case .checkpointMade(let result): try cut(result)
        case .partKept(let part, let outcome): try kept(part, outcome, send)
        }
    }

    mutating func answer(_ id: UInt64, _ error: ReplicaError) {
        counts.failed += 1
        outputs.answers.append((id, .failure(error)))
    }

    /// Takes note of all that Raft asks for.
    mutating func absorb(_ effects: Effects) throws(ReplicaError) {
        for message in effects.send {
            if isRecovering, message.to == raft.leader, case .appendAnswer = message.body { repairTerm = message.term }
            outbox.append(PeerMessage(from: message.from, to: message.to, body: .raft(message)))
        }
        if let save = effects.save { pendingSave = save }
        if let head = effects.restore { try restore(head) }
        if !effects.append.isEmpty { add(effects.append) }
        if let commit = effects.commit { committed = max(committed, commit) }
        configured += effects.configurations
        for read in effects.reads { readable(read) }
        for number in effects.readsFailed { unreadable(number) }
        for refused in effects.refusedForwards { take(refused) }
        if let standing = effects.standing { try take(standing) }
        // A change that others count on must not be forgotten in a crash: it may stand between an election and its quorum.
        if !effects.configurations.isEmpty {
            try apply()
            try checkpoint()
            takeTurns()
        }
        for peer in effects.snapshotWanted { try carryOut(sender.wanted(by: peer, now: ticks)) }
    }

    private mutating func take(_ standing: Effects.Standing) throws(ReplicaError) {
        if standing.leader != nil, ledTerm != standing.term { counts.leaderChanges += 1 }
        if standing.leader != nil { ledTerm = standing.term }
        holdUntil = 0
        if leadership?.term != standing.term || standing.role != .leader { leadership = nil }
        if standing.role != .leader { try carryOut(sender.stop()) }
    }

    /// To whoever is best prepared.
    /// - Returns: whether somebody is asked now.
    /// - Parameter needsRoom: not to one whose disk is full, as far as that is known.
    mutating func handOver(needsRoom: Bool = false) throws(ReplicaError) -> Bool {
        guard raft.role == .leader, raft.transferee == nil, !isStuck else { return false }
        let heirs = raft.configuration.voters.filter { $0 != raft.id }.compactMap { id -> (id: UInt64, match: UInt64)? in
            guard let progress = raft.progress(of: id), progress.isActive, progress.state != .snapshot, progress.match > 0 else { return nil }
            return (id, progress.match)
        }
        let able = heirs.filter { !isFull($0.id) }
        guard let best = (able.isEmpty && !needsRoom ? heirs : able).max(by: { ($0.match, $1.id) < ($1.match, $0.id) }) else { return false }
        try absorb(raft.step(.transfer(to: best.id)))
        return true
    }

    private func isFull(_ peer: UInt64) -> Bool { fullPeers[peer].map { ticks < $0 + 2 * UInt64(options.electionTicks) } ?? false }
}

/// What a replica did, for metrics.
package struct ReplicaCounts: Hashable, Sendable {
    package var proposals = 0
    /// Proposals that were answered with an error.
    package var failed = 0
    /// Terms of which a leader was seen.
    package var leaderChanges = 0
    package var snapshotBytesSent = 0
    package var snapshotBytesReceived = 0
    package var snapshotsInstalled = 0
    /// Messages that could not be taken, as for want of space.
    package var dropped = 0
}
