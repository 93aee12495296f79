import Dispatch
import Foundation
import Host
import Logging
import Raft
import Synchronization

/// One member of a Raft group made real: proposals go into the log of a majority, and when they are durable there, to
/// the machine. All that blocks happens on a thread of its own.
package final class Replica<Machine: StateMachine>: Sendable {
    package typealias Options = ReplicaOptions
    package typealias Output = Machine.Output

    let inbox: Inbox<Output>
    /// Held by the writing thread while it runs; nil afterwards, which closes the files and lets go of the lock.
    private let core: Mutex<ReplicaCore<Machine>?>
    let published: Mutex<ReplicaStatus>
    /// The published term, for those who want no more.
    private let publishedTerm: Atomic<UInt64>
    let commandBytesMax: Int
    let machine: Machine
    let options: ReplicaOptions
    let disk: MeteredDisk
    let time: any Time
    let transport: (any Transport)?
    let book: PeerBook?
    let logger: Logger
    /// What goes on aside.
    private let errands = DispatchGroup()
    /// Keeps the parts of snapshots, one after another.
    let receiving = DispatchQueue(label: "plasma.replica.receiving", qos: .utility)

    /// Opens and locks the directory (made when missing), recovers the log and replays what the machine has not
    /// applied, as far as it is known to be committed. Blocks while it reads.
    /// - Throws: `.corrupt` with file and offset when the log is damaged and there are no others to repair it;
    ///   `.locked` when it is open already; `.mismatch` when log and machine do not belong together.
    package init(
        directory: String, disk: any Disk, machine: Machine, options: Options = Options(),
        membership: Membership = .existing, time: any Time = SystemTime(), transport: (any Transport)? = nil, logger: Logger
    ) throws(ReplicaError) {
        let metered = MeteredDisk(disk, time: time)
        var options = options
        options.checkpointsAside = true
        options.snapshotsAside = true
        var core = try ReplicaCore.open(
            directory: directory, disk: metered, machine: machine, options: options, identity: .random(in: 1 ... .max),
            membership: membership)
        try core.rest()
        book = transport == nil
            ? nil : try PeerBook.open(directory, disk: disk, cluster: options.cluster, member: options.id)
        inbox = Inbox(bytesMax: options.waitingBytesMax)
        commandBytesMax = core.commandBytesMax
        let status = core.status
        if let damage = core.damage {
            logger.error("\(damage). The others have all of it: the log is set aside (\(directory)/damaged-N, to be deleted when it is of no more use), and this member votes again when a leader has given it what it lacks")
        } else if status.isRecovering {
            logger.warning("this member's log was damaged and set aside: it votes again when a leader has given it what it lacks")
        }
        published = Mutex(status)
        publishedTerm = Atomic(status.term)
        self.core = Mutex(consume core)
        self.machine = machine
        self.options = options
        self.disk = metered
        self.time = time
        self.transport = transport
        self.logger = logger
    }

    /// Takes part until the task is cancelled; then leadership is handed over, which takes a second at most, what is
    /// being written is finished, and what waits is refused as stopped. May be called once.
    /// - Throws: `.storage` when the disk or the machine failed, `.mismatch` when the others know this member with another disk. The
    ///   process must end then.
    package func run() async throws {
        if let transport, let book {
            transport.start(
                book.identity, admit: { book.admit($0) },
                refused: { [inbox] in
                    if let end = book.refused($0) { inbox.put(.mustEnd(end)) }
                },
                met: { [inbox] in inbox.put(.met($0)) }, receive: { [inbox] in inbox.put(.received($0)) },
                lost: { [inbox] in inbox.put(.lost($0)) })
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (done: CheckedContinuation<Result<Void, ReplicaError>, Never>) in
                let thread = Thread { done.resume(returning: self.work()) }
                thread.name = "replica"
                thread.stackSize = 8 << 20
                thread.start()
            }
        } onCancel: {
            inbox.stop()
        }
        transport?.stop()
        try result.get()
    }

    /// Answers when the command is applied by this member. Those of one caller are applied in the order of its calls
    /// while the leader stays the same.
    /// - Parameters:
    ///   - bytes: not empty.
    ///   - answer: called once, on the replica's thread, and may not block. `.noSpace`, `.tooLarge`, `.overloaded`,
    ///     `.noLeader`: nothing was written. `.timedOut`, `.storage`, `.stopped`: unknown.
    package func propose(_ bytes: [UInt8], _ answer: @escaping @Sendable (Result<Output, ReplicaError>) -> Void) {
        precondition(!bytes.isEmpty, "an empty command was proposed")
        guard bytes.count <= commandBytesMax else {
            return answer(.failure(.tooLarge(bytes: bytes.count, bytesMax: commandBytesMax)))
        }
        inbox.put(.propose(bytes, answer))
    }

    /// The same; a cancelled task still waits for the outcome.
    package func propose(_ bytes: [UInt8]) async throws(ReplicaError) -> Output {
        try await withCheckedContinuation { continuation in
            propose(bytes) { continuation.resume(returning: $0) }
        }.get()
    }

    /// Changes who belongs to the group. Returns when this member has applied the change; a joint configuration may
    /// still be in force then, until the leader leaves it by itself.
    /// - Throws: `.changeRefused` with the reason, when nothing was written.
    package func change(_ change: ConfigurationChange) async throws(ReplicaError) -> Output {
        try await withCheckedContinuation { continuation in
            inbox.put(.change(change) { continuation.resume(returning: $0) })
        }.get()
    }

    /// Answers when the machine holds all that was acknowledged to anybody before the call. Called on the replica's
    /// thread, and may not block.
    package func read(_ answer: @escaping @Sendable (Result<Void, ReplicaError>) -> Void) { inbox.put(.read(answer)) }

    package func read() async throws(ReplicaError) {
        try await withCheckedContinuation { continuation in
            read { continuation.resume(returning: $0) }
        }.get()
    }

    /// Returns when that member leads.
    /// - Throws: `.notLeader` when this one does not lead; `.changeRefused` when that one cannot; `.timedOut` when
    ///   this one leads on.
    package func transfer(to member: UInt64) async throws(ReplicaError) {
        try await withCheckedContinuation { continuation in
            inbox.put(.transfer(to: member) { continuation.resume(returning: $0) })
        }.get()
    }

    /// Whether there is a connection to that member now.
    package func isConnected(to member: UInt64) -> Bool { transport?.isConnected(to: member) ?? false }

    /// Where the others are. All of them, each time.
    package func setPeers(_ peers: [Peer]) { transport?.setPeers(peers) }

    /// A member that joined learns the number of its group.
    package func setCluster(_ cluster: UInt64) throws(ReplicaError) { try book?.setCluster(cluster) }

    /// What tells this member's disk from another in its place; 0 where there never are others to tell.
    package var incarnation: UInt64 { book?.identity.incarnation ?? 0 }

    /// What the machine says of the members' disks: called before `run` with what it holds, and whenever that has changed,
    /// before anything else is made of it. Whoever came with another disk is spoken with no more. May block on the disk.
    /// - Parameters:
    ///   - incarnations: by member; 0: not known yet.
    ///   - removed: who is a member no longer.
    package func learn(_ incarnations: [UInt64: UInt64], removed: Set<UInt64>, voters: Int) {
        guard let book else { return }
        let (contradictions, trouble) = book.learn(incarnations, removed: removed, voters: voters)
        for case .incarnation(let member, let known, let theirs, let voters) in contradictions {
            logger.error("\(PeerRefusal.incarnation(member: member, known: known, theirs: theirs, voters: voters))")
            transport?.disconnect(member)
        }
        if let trouble { logger.error("what was learned of the members' disks could not be written: \(trouble)") }
    }

    package var status: ReplicaStatus { published.withLock { $0 } }
    package var term: UInt64 { publishedTerm.load(ordering: .acquiring) }

    /// Runs what nobody waits for on a thread of its own, which lets those go first that serve.
    func aside(_ body: @escaping @Sendable () -> Void) {
        errands.enter()
        BackgroundThread.run("replica aside", yields: true) { [errands] in
            body()
            errands.leave()
        }
    }

    /// Returns when all that goes on aside has ended.
    func waitForErrands() { errands.wait() }

    func publish(_ status: ReplicaStatus) {
        published.withLock { $0 = status }
        publishedTerm.store(status.term, ordering: .releasing)
    }

    private func work() -> Result<Void, ReplicaError> {
        let result = core.withLock { core -> Result<Void, ReplicaError> in
            guard let taken = core.take() else { preconditionFailure("a replica was run twice") }
            var loop = ReplicaLoop(replica: self, core: taken)
            return loop.run()
        }
        if case .failure(let error) = result { logger.critical("the replica ends: \(error)") }
        if case .failure(let error) = result { inbox.end(error) } else { inbox.end(.stopped) }
        return result
    }
}
