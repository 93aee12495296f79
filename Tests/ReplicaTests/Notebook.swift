import Host
@testable import Replica
import Simulation
import Synchronization

/// A machine that remembers every command. Like a database it may lose what came after its last checkpoint.
final class Notebook: StateMachine {
    private struct State {
        var commands: [Command] = []
        var safe = 0
        var checkpoints = 0
        var failure: DiskError?
    }

    private let state: Mutex<State>

    init(_ commands: [Command] = []) { state = Mutex(State(commands: commands, safe: commands.count)) }

    var appliedIndex: UInt64 { state.withLock { $0.commands.last?.index ?? 0 } }
    var commands: [Command] { state.withLock { $0.commands } }
    var checkpoints: Int { state.withLock { $0.checkpoints } }

    func fail(_ error: DiskError) { state.withLock { $0.failure = error } }

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

    /// What is left after a crash: at least the last checkpoint.
    func crashed(_ dice: inout SimulatedDisk.Dice) -> Notebook {
        let (commands, safe) = state.withLock { ($0.commands, $0.safe) }
        return Notebook(Array(commands.prefix(Int.random(in: safe...commands.count, using: &dice))))
    }
}

func small(checkpointCommands: Int = .max >> 2) -> ReplicaOptions {
    var options = ReplicaOptions()
    options.segmentBytes = 4096
    options.checkpointCommands = checkpointCommands
    return options
}

func command(_ number: Int, bytes: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(number)) { Array($0) } + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
}
