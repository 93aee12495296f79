import Host
import Raft

/// One member without its loop: the decider, its log and its machine. Every call blocks on the disk.
struct ReplicaCore<Machine: StateMachine>: ~Copyable, Sendable {
    private var raft: Raft
    private(set) var log: Log
    private let machine: Machine
    private let options: ReplicaOptions
    /// In the log, and not given to the machine yet.
    private var unapplied: [Entry] = []
    private var bytesSinceCheckpoint = 0
    private var commandsSinceCheckpoint = 0

    /// Recovers the log, becomes leader of a new term, and applies everything in the log.
    static func open(
        directory: String, disk: any Disk, machine: Machine, options: ReplicaOptions, identity: UInt64
    ) throws(ReplicaError) -> ReplicaCore {
        let applied = machine.appliedIndex
        var entries: [Entry] = []
        let log = try Log.open(
            directory, disk: disk, segmentBytes: options.segmentBytes, base: options.base, identity: identity,
            keepAfter: applied, entries: &entries)
        guard applied <= log.last.index else {
            throw .mismatch(
                "the state holds entries up to \(applied), but the log in \(directory) ends with \(log.last.index): "
                    + "they do not belong together; bring back the log that is missing, or restore a backup")
        }
        guard applied + 1 >= log.firstIndex else {
            throw .mismatch(
                "the state holds entries up to \(applied), but the log in \(directory) begins with \(log.firstIndex): "
                    + "they do not belong together; bring back the state that is missing, or restore a backup")
        }
        let raft = Raft(
            id: options.id, voters: [options.id], hardState: log.hardState, last: log.last,
            commit: min(max(applied, log.firstIndex - 1), log.last.index))
        var core = ReplicaCore(raft: raft, log: log, machine: machine, options: options, unapplied: entries)
        try core.elect()
        return core
    }

    private init(raft: Raft, log: consuming Log, machine: Machine, options: ReplicaOptions, unapplied: [Entry]) {
        self.raft = raft
        self.log = log
        self.machine = machine
        self.options = options
        self.unapplied = unapplied
    }

    private mutating func elect() throws(ReplicaError) { _ = try carryOut(raft.step(.start)) }

    var commandBytesMax: Int { min(options.commandBytesMax, log.commandBytesMax) }

    /// Most bytes of records that `commit` may be given at once, counting `recordBytes` for each command.
    var batchBytesMax: Int { min(options.batchBytesMax, log.batchBytesMax) }

    static func recordBytes(_ command: [UInt8]) -> Int { RecordHeader.span(command.count) }

    var status: ReplicaStatus {
        ReplicaStatus(
            term: raft.hardState.term, role: raft.role, leader: raft.leader, lastIndex: raft.last.index,
            commitIndex: raft.commit, appliedIndex: raft.commit - UInt64(unapplied.count { $0.index <= raft.commit }),
            durableIndex: raft.durable.index, firstIndex: log.firstIndex, segments: log.segments.count)
    }

    /// Writes the commands with one sync and applies them; one output each.
    /// - Throws: `.noSpace` when none of them was written and a later call may succeed; anything else ends the
    ///   replica.
    mutating func commit(_ commands: [[UInt8]]) throws(ReplicaError) -> [Machine.Output] {
        // The decider is a value: what the disk has no room for was never proposed.
        let before = raft
        let effects = raft.step(.propose(commands))
        precondition(effects.refused == nil, "a leader with nothing uncommitted refused a batch")
        do throws(ReplicaError) {
            return try carryOut(effects)
        } catch {
            if error == .noSpace { raft = before }
            throw error
        }
    }

    /// Called when nothing waits to be written.
    mutating func rest() throws(ReplicaError) { try log.mark() }

    /// Makes a checkpoint and cuts the log when enough was written since the last: at once when nobody waits, at
    /// twice as much when somebody does.
    mutating func checkpointIfDue(someoneWaits: Bool) throws(ReplicaError) {
        let factor = someoneWaits ? 2 : 1
        guard bytesSinceCheckpoint >= factor * options.checkpointBytes
            || commandsSinceCheckpoint >= factor * options.checkpointCommands
        else { return }
        bytesSinceCheckpoint = 0
        commandsSinceCheckpoint = 0
        let index: UInt64
        do { index = try machine.checkpoint() } catch { throw .storage("could not make a checkpoint: \(error)") }
        try log.cut(through: index)
    }

    mutating func close() throws(ReplicaError) { try log.close() }

    private mutating func carryOut(_ first: Effects) throws(ReplicaError) -> [Machine.Output] {
        var outputs: [Machine.Output] = []
        var effects = first
        while true {
            let mustPersist = effects.save != nil || !effects.append.isEmpty
            if mustPersist {
                try log.append(effects.append, save: effects.save)
                unapplied += effects.append
            }
            if let commit = effects.commit { outputs += try apply(through: commit) }
            guard mustPersist else { return outputs }
            effects = raft.step(.persisted(log.hardState, through: log.last))
        }
    }

    private mutating func apply(through commit: UInt64) throws(ReplicaError) -> [Machine.Output] {
        let count = unapplied.firstIndex { $0.index > commit } ?? unapplied.count
        var outputs: [Machine.Output] = []
        // A long replay goes to the machine in parts, each perhaps a transaction of its own.
        for start in stride(from: 0, to: count, by: 4096) {
            let commands = unapplied[start..<min(start + 4096, count)].compactMap { entry in
                entry.bytes.isEmpty ? nil : Command(index: entry.index, term: entry.term, bytes: entry.bytes)
            }
            guard let last = commands.last else { continue }
            do {
                let some = try machine.apply(commands)
                precondition(some.count == commands.count, "the machine gave \(some.count) outputs for \(commands.count) commands")
                outputs += some
            } catch {
                throw .storage("could not apply entries up to \(last.index): \(error)")
            }
            bytesSinceCheckpoint += commands.reduce(0) { $0 + RecordHeader.span($1.bytes.count) }
            commandsSinceCheckpoint += commands.count
        }
        unapplied.removeFirst(count)
        return outputs
    }
}
