import Host
import Raft
import Replica
import Store
import Synchronization

/// What a command in the log means to the model.
enum Act: Sendable {
    case request(Request)
    /// Leases that the leader found to have ended, and the entry that it knew to have renewed each last.
    case expire([(lease: Int64, renewed: UInt64)])
    /// What is left of leases, in seconds.
    case remaining([(lease: Int64, renewed: UInt64, seconds: Int64)])
    /// Nothing that a client sees.
    case housekeeping
}

/// A store on one member, as far as the simulation drives it: Chainfire's machine.
protocol Subject: StateMachine where Output == Answer {
    static func encode(_ request: Request, _ serial: UInt64) -> [UInt8]
    static func decode(_ command: Command) -> Act?
    /// What the machine is told about a change of members.
    static func context(_ steps: [ConfigurationChange.Step]) -> [UInt8]
    func range(_ request: RangeRequest) -> Result<RangeResult, StoreError>
    func watch(_ range: KeyRange, from revision: Revision) -> Result<any SubjectWatch, StoreError>
    /// Equal on members that have applied the same.
    func digest() -> String
}

protocol SubjectWatch: AnyObject {
    /// nil: nothing now.
    func next() -> Result<WatchBatch?, StoreError>
    /// The revision through which everything was told; nil while something is unsent.
    func progress() -> Revision?
    func cancel()
}

/// A subject as the replica sees it, which writes down what it is given.
final class Tap<S: Subject>: StateMachine {
    struct Noted {
        var command: Command
        var answer: Answer
    }

    private struct Notes {
        var applied: [Noted] = []
        var due: [[UInt8]] = []
        var installed: [UInt64] = []
    }

    let subject: S
    private let notes = Mutex(Notes())

    init(_ subject: S) { self.subject = subject }

    var applied: Applied { subject.applied }

    func apply(_ commands: [Command]) throws -> [Answer] {
        let answers = try subject.apply(commands)
        notes.withLock { notes in
            for (command, answer) in zip(commands, answers) { notes.applied.append(Noted(command: command, answer: answer)) }
        }
        return answers
    }

    func checkpoint() throws -> UInt64 { try subject.checkpoint() }
    func snapshot(to path: String) throws -> SnapshotHead { try subject.snapshot(to: path) }

    func prepare(_ path: String, _ head: SnapshotHead) throws { try subject.prepare(path, head) }
    func discard(_ path: String) { subject.discard(path) }

    func install(_ path: String, _ head: SnapshotHead) throws {
        let before = subject.applied.position.index
        try subject.install(path, head)
        notes.withLock { notes in
            notes.installed.append(before)
            notes.installed.append(head.position.index)
        }
    }

    func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]] {
        let due = subject.due(now, leadership)
        if !due.isEmpty { notes.withLock { $0.due += due } }
        return due
    }

    /// What was noted since the last time.
    func take() -> (applied: [Noted], due: [[UInt8]], installed: [UInt64]) {
        notes.withLock { notes in
            guard !notes.applied.isEmpty || !notes.due.isEmpty || !notes.installed.isEmpty else { return ([], [], []) }
            defer { notes = Notes() }
            return (notes.applied, notes.due, notes.installed)
        }
    }
}
