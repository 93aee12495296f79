import Bytes
import Host
import Raft
@testable import Replica
import Simulation
import Synchronization

/// A machine that remembers every command. Like a database it may lose what came after its last checkpoint.
final class Notebook: StateMachine {
    private struct State {
        var commands: [Command] = []
        var safe = 0
        var checkpoints = 0
        var installed = 0
        var prepared: String?
        var failure: DiskError?
        var due: [[UInt8]] = []
        var leaderships: [Leadership] = []
    }

    private let state: Mutex<State>
    /// For snapshots.
    private let disk: (any Disk)?

    init(_ commands: [Command] = [], disk: (any Disk)? = nil) {
        state = Mutex(State(commands: commands, safe: commands.count))
        self.disk = disk
    }

    var applied: Applied {
        state.withLock { state in
            guard let last = state.commands.last else { return .blank }
            return Applied(
                position: Position(index: last.index, term: last.term),
                configuration: state.commands.last { $0.configuration != nil }?.configuration)
        }
    }

    /// Without the changes of members and the leaders' no-ops.
    var commands: [Command] { state.withLock { $0.commands.filter { $0.configuration == nil && !$0.bytes.isEmpty } } }
    var all: [Command] { state.withLock { $0.commands } }
    var checkpoints: Int { state.withLock { $0.checkpoints } }
    var installed: Int { state.withLock { $0.installed } }
    var leaderships: [Leadership] { state.withLock { $0.leaderships } }

    func fail(_ error: DiskError) { state.withLock { $0.failure = error } }
    func want(_ commands: [[UInt8]]) { state.withLock { $0.due += commands } }

    func apply(_ commands: [Command]) throws -> [UInt64] {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            state.commands += commands
            return commands.map(\.index)
        }
    }

    func checkpoint() throws -> UInt64 {
        state.withLock { state in
            state.safe = state.commands.count
            state.checkpoints += 1
            return state.commands.last?.index ?? 0
        }
    }

    func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]] {
        state.withLock { state in
            state.leaderships.append(leadership)
            defer { state.due = [] }
            return state.due
        }
    }

    /// What is left after a crash: at least the last checkpoint.
    func crashed(_ dice: inout SimulatedDisk.Dice) -> Notebook {
        let (commands, safe) = state.withLock { ($0.commands, $0.safe) }
        return Notebook(Array(commands.prefix(Int.random(in: safe...commands.count, using: &dice))), disk: disk)
    }

    func snapshot(to path: String) throws -> SnapshotHead {
        var writer = ByteWriter()
        let (all, applied) = (all, applied)
        for command in all {
            writer.write(command.index)
            writer.write(command.term)
            writer.write(UInt8(command.configuration == nil ? 0 : 1))
            writer.writePrefixed(command.bytes)
            if let configuration = command.configuration {
                for list in [configuration.voters, configuration.outgoing, configuration.learners, configuration.learnersNext] {
                    writer.writeVarint(UInt64(list.count))
                    for id in list { writer.write(id) }
                }
                writer.write(UInt8(configuration.autoLeave ? 1 : 0))
            }
        }
        let file = try disk?.open(path, .create)
        try file?.truncate(to: 0)
        try file?.write(writer.bytes, at: 0)
        return SnapshotHead(position: applied.position, configuration: applied.configuration ?? Configuration())
    }

    func prepare(_ path: String, _ head: SnapshotHead) throws {
        guard try position(in: path) == head.position else { throw ReplicaError.mismatch("\(path) is no notebook to entry \(head.position.index)") }
        state.withLock { $0.prepared = path }
    }

    func discard(_ path: String) { state.withLock { if $0.prepared == path { $0.prepared = nil } } }

    func install(_ path: String, _ head: SnapshotHead) throws {
        let commands = try read(path)
        state.withLock { state in
            precondition(state.prepared == path, "\(path) was not prepared")
            state.prepared = nil
            state.commands = commands
            state.safe = commands.count
            state.installed += 1
        }
    }

    private func position(in path: String) throws -> Position? {
        try read(path).last.map { Position(index: $0.index, term: $0.term) }
    }

    private func read(_ path: String) throws -> [Command] {
        guard let file = try disk?.open(path, .read) else { return [] }
        var reader = ByteReader(try file.read(at: 0, count: Int(file.size())))
        var commands: [Command] = []
        while let index = reader.read(UInt64.self), let term = reader.read(UInt64.self), let kind = reader.read(UInt8.self),
            let bytes = reader.readPrefixed()
        {
            var command = Command(index: index, term: term, bytes: bytes)
            if kind == 1 {
                var lists: [[UInt64]] = []
                for _ in 0..<4 {
                    lists.append((0..<(reader.readVarint() ?? 0)).compactMap { _ in reader.read(UInt64.self) })
                }
                let leaves = reader.read(UInt8.self) == 1
                command.configuration = Configuration(
                    voters: lists[0], outgoing: lists[1], learners: lists[2], learnersNext: lists[3], autoLeave: leaves)
            }
            commands.append(command)
        }
        return commands
    }
}

let alone = Membership.bootstrap(Configuration(voters: [1]))

func small(checkpointCommands: Int = .max >> 2) -> ReplicaOptions {
    var options = ReplicaOptions()
    options.segmentBytes = 4096
    options.checkpointCommands = checkpointCommands
    return options
}

func command(_ number: Int, bytes: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(number)) { Array($0) } + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
}

extension ReplicaCore where Machine == Notebook {
    /// A group of one that is opened.
    static func one(
        _ disk: any Disk, _ machine: Notebook, _ options: ReplicaOptions = small(), identity: UInt64 = 5
    ) throws(ReplicaError) -> ReplicaCore {
        try open(directory: "/log", disk: disk, machine: machine, options: options, identity: identity, membership: alone)
    }

    /// Proposes in a group of one, all in one step.
    /// - Throws: `.timedOut` when there is no answer yet.
    mutating func commit(_ commands: [[UInt8]]) throws(ReplicaError) -> [UInt64] {
        let inputs = commands.enumerated().map { ReplicaInput.propose(id: UInt64($0), $1) }
        let outputs = try step(inputs, now: Instant(sinceStart: .zero)) { _ in }
        var indexes: [UInt64] = []
        for (_, result) in outputs.answers.sorted(by: { $0.id < $1.id }) { indexes.append(try result.get()) }
        guard indexes.count == commands.count else { throw .timedOut }
        return indexes
    }
}
