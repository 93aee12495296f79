import Host
import Logging
import Raft
import Replica
import ServiceLifecycle
import Store
import Synchronization

/// The replicated store with etcd v3's semantics: a multi-version state machine over a Raft log.
///
/// Its directory holds `lock`, `member` (which member this is), `log/` (the Raft log, fsynced before a write is
/// acknowledged) and `state.db` (SQLite, what the log made so far). Reads of current values and watches are
/// answered from memory, old revisions from SQLite.
package final class Chainfire: Store, Service {
    let machine: Machine
    let replica: Replica<Machine>
    let transport: (any Transport)?
    let time: any Time
    let options: ChainfireOptions
    let logger: Logger
    let gate = Gate()
    let renewals = RenewalDesk()
    /// Once a linearizable read was answered while this member was the only voter: nobody else can have
    /// acknowledged anything since.
    let alarmIsAsked = Atomic<Bool>(false)
    private let lock: Mutex<(any DiskLock)?>

    private init(
        machine: Machine, replica: Replica<Machine>, transport: (any Transport)?, time: any Time, options: ChainfireOptions,
        lock: any DiskLock, logger: Logger
    ) {
        self.machine = machine
        self.replica = replica
        self.transport = transport
        self.time = time
        self.options = options
        self.lock = Mutex(lock)
        self.logger = logger
    }

    /// Opens the store, made when it is missing, and applies what the log holds beyond the applied state, as far as
    /// that is known to be committed. Blocks while it reads. Writes wait until `run()` runs.
    /// - Parameters:
    ///   - membership: how an empty directory comes to its cluster; one with data keeps what it is.
    ///   - transport: carries messages to the other members; nil where there never are any.
    /// - Throws: `ChainfireError`, with the file and the numbers when something is damaged or does not fit.
    package static func open(
        directory: String, time: any Time, disk: any Disk, options: ChainfireOptions = ChainfireOptions(),
        membership: ClusterMembership = .single, transport: (any Transport)? = nil, logger: Logger
    ) throws(ChainfireError) -> Chainfire {
        let lock: any DiskLock
        do throws(DiskError) {
            try disk.makeDirectory(directory)
            lock = try disk.lock(directory + "/lock")
        } catch {
            throw .storage(error.description)
        }
        let start = time.now()
        let founding = try found(directory, membership)
        let storage = try Storage(path: directory + "/state.db", pagesMax: options.pagesMax)
        let machine = try Machine(
            storage: storage, options: options, identity: founding.identity, members: founding.members,
            configuration: founding.configuration, now: { time.now() }, background: true)
        let replica = try openReplica(directory, disk, machine, options, founding, time, transport, logger)
        do throws(DiskError) { try disk.syncDirectory(directory) } catch { throw .storage(error.description) }
        let chainfire = Chainfire(
            machine: machine, replica: replica, transport: transport, time: time, options: options, lock: lock, logger: logger)
        guard !chainfire.isRemoved else { throw chainfire.removal }
        chainfire.followMembers()
        let status = chainfire.status
        logger.info("store opened", metadata: [
            "directory": "\(directory)", "cluster": "\(hex(founding.identity.clusterID))",
            "member": "\(hex(founding.identity.memberID))", "revision": "\(status.revision)", "keys": "\(status.keys)",
            "applied": "\(status.appliedIndex)", "took": "\(time.now() - start)",
        ])
        return chainfire
    }

    /// Whose data a directory holds; nil when it holds none yet.
    package static func identity(directory: String, disk: any Disk = SystemDisk()) throws(ChainfireError) -> StoreIdentity? {
        try StoreIdentity.read(directory, SystemDisk())
    }

    /// The identity file comes first: what it says is never decided twice.
    private static func found(_ directory: String, _ membership: ClusterMembership) throws(ChainfireError) -> Founding {
        let disk = SystemDisk()
        if let identity = try StoreIdentity.read(directory, disk) {
            // What it was founded with still counts while nothing was applied, and for a log without its state.
            guard case .existing = membership else {
                var founding = try membership.founding()
                if founding.members.count == 1, founding.configuration != nil {
                    // Who begins alone is who it was, whatever it is called now.
                    founding.members[0].id = identity.memberID
                    founding.configuration = Configuration(voters: [identity.memberID])
                } else if founding.identity.memberID != identity.memberID {
                    (founding.members, founding.configuration) = ([], nil)
                }
                founding.identity = identity
                return founding
            }
            return Founding(identity: identity, members: [])
        }
        let founding = try membership.founding()
        let names: [String]
        do throws(DiskError) { names = try disk.list(directory) } catch { throw .storage(error.description) }
        if let left = names.first(where: { $0 == "state.db" || $0 == "log" }) {
            throw .mismatch("""
                \(directory) holds a store (\(left)), but not the file member, which says whose: bring \(directory)/member back from a backup, or, \
                where a restore was interrupted or the store is given up, empty the directory
                """)
        }
        try founding.identity.write(directory, disk)
        return founding
    }

    private static func openReplica(
        _ directory: String, _ disk: any Disk, _ machine: Machine, _ options: ChainfireOptions, _ founding: Founding,
        _ time: any Time, _ transport: (any Transport)?, _ logger: Logger
    ) throws(ChainfireError) -> Replica<Machine> {
        var log = options.log
        log.id = founding.identity.memberID
        log.cluster = founding.identity.clusterID
        if let base = machine.base { log.base = base }
        let membership: Membership = if let configuration = founding.configuration { .bootstrap(configuration) } else {
            founding.members.isEmpty ? .existing : .joining
        }
        do throws(ReplicaError) {
            return try Replica(
                directory: directory + "/log", disk: disk, machine: machine, options: log, membership: membership, time: time,
                transport: transport, logger: logger)
        } catch {
            if case .mismatch(let why) = error { throw .mismatch("\(machine.storage.name): \(why)") }
            throw .log(error)
        }
    }

    /// Writes until the task is cancelled or the service group shuts down: then writes that are under
    /// way are finished, new ones refused, leadership is handed over where there is somebody to take it, the watches
    /// end, and the state is checkpointed and closed.
    package func run() async throws {
        var failure: (any Error)?
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [self] in try await replica.run() }
                group.addTask { [self] in await keepHouse() }
                group.addTask { [self] in await keepRenewing() }
                group.addTask { [self] in try await endWhenRemoved() }
                group.addTask { [self] in
                    try await gracefulShutdown()
                    await gate.drain()
                }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        } catch is CancellationError {
            logger.debug("store cancelled")
        } catch {
            failure = error
        }
        gate.stop()
        machine.stop()
        if let failure {
            logger.critical("store failed", metadata: ["error": "\(failure)"])
            throw failure
        }
        _ = try await offThread { [machine] in try machine.checkpoint() }
        try machine.storage.close()
        lock.withLock { $0 = nil }
        logger.info("store closed")
    }

    /// Runs what blocks for long where reads do not wait for it.
    func offThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            machine.inUpkeep { continuation.resume(with: Result { try body() }) }
        }
    }
}

extension Machine {
    /// Where the log of a restored state may begin.
    var base: Position? { state.withLock { $0.facts.base } }
}
