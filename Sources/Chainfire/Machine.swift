import Dispatch
import Host
import Metrics
import Raft
import Replica
import Store
import Synchronization

/// The state machine behind the log: the keyspace, the leases and the watch hub in memory, the history in a
/// storage. A command is applied to memory at once; its rows go to the storage later, many in one transaction,
/// together with how far the log was applied. A read of what is neither in memory nor stored finds it in what
/// waits. A crash loses what waits; the log has it.
///
/// Locks are taken in this order: a watcher's, the flush's, the state's, a connection's.
package final class Machine: StateMachine {
    /// What became of a command.
    package enum Outcome: Sendable {
        case committed(TransactionResult)
        case done
        /// The seconds granted, in the order asked; nil: no such lease.
        case renewed([Int64?])
        case refused(StoreError)
    }

    struct State {
        var keyspace: Keyspace
        var hub: WatchHub
        var lessor: Lessor
        var facts = Facts()
        var mark: Mark
        var backlog = Backlog()
        /// Facts to be written, by the name they are stored under; nil removes.
        var dirty: [String: [UInt8]?] = [:]
        /// Rows that nobody can read any more, to be deleted little by little.
        var garbage = Fifo<ChangeID>()
        /// Every row of this revision and those before is in the storage.
        var stored: Revision
        /// The index whose effects are in the storage.
        var storedIndex: UInt64 = 0
        /// The index that was stored when the storage was last made durable.
        var durable: UInt64
        /// The storage has no room.
        var isFull = false
        /// Since the members were last told of.
        var membersChanged = false
        var compactionProposed: Revision = 0
        var listeners = Listeners()
        var isStopped = false
        /// An entry was applied in part: nothing of this may be written.
        var isBroken = false
    }

    /// What a snapshot's file holds, read and not installed yet.
    struct Prepared {
        var path: String
        var state: State
    }

    static let stopped = "the store has stopped"

    let storage: any MachineStorage
    let options: ChainfireOptions
    let identity: StoreIdentity
    let now: @Sendable () -> Instant
    let state: Mutex<State>
    /// Held while the storage is written.
    private let flushing = Mutex(())
    /// Who waits for `flushing` and serves others.
    private let flushWaiters = Atomic<Int>(0)
    let prepared = Mutex<Prepared?>(nil)
    let flushIsAsked = Atomic<Bool>(false)
    /// Those that wrote something.
    let flushes = Atomic<Int>(0)
    private let background: DispatchQueue?
    /// For what takes long and nobody reads by.
    private let upkeep = DispatchQueue(label: "plasma.chainfire.upkeep")
    /// The newest revision, for those who do not want to wait for the lock. Only rises.
    let revision: Atomic<Int64>
    /// Writes would wait without end: the storage has no room.
    let isFull = Atomic<Bool>(false)
    let liveBytes = Atomic<Int>(0)
    /// The alarm of that kind is raised, by whomever.
    let hasSpaceAlarm = Atomic<Bool>(false)
    /// This member is the only voter: what it has not applied nobody has acknowledged.
    let isAlone: Atomic<Bool>
    /// It has been alone without a break since something made sure that it knows all that was acknowledged before.
    let hasRead = Atomic<Bool>(false)
    private let membersChanged = Mutex<(@Sendable (_ members: [MemberRecord], _ removed: Set<UInt64>) -> Void)?>(nil)
    let metrics = MachineMetrics()

    /// Reads the state that the storage holds. Blocks.
    /// - Parameters:
    ///   - identity: whose state this is. Its members and configuration are taken where the storage knows none.
    ///   - now: this member's clock, for the times of leases. Nothing replicated depends on it.
    ///   - background: whether rows may be written and old history read on another thread.
    package init(
        storage: any MachineStorage, options: ChainfireOptions, identity: StoreIdentity, members: [MemberRecord] = [],
        configuration: Configuration? = nil, now: @escaping @Sendable () -> Instant, background: Bool = false
    ) throws(ChainfireError) {
        self.storage = storage
        self.options = options
        self.identity = identity
        self.now = now
        self.background = background ? DispatchQueue(label: "plasma.chainfire", qos: .userInitiated) : nil
        var restored = try Self.restore(storage, options, now())
        if restored.facts.clusterID == 0 { restored.facts.clusterID = identity.clusterID }
        guard restored.facts.clusterID == identity.clusterID else {
            throw .mismatch("""
                \(storage.name) is of cluster \(hex(restored.facts.clusterID)), but this member is of cluster \
                \(hex(identity.clusterID)); bring back the directory's own file
                """)
        }
        if restored.facts.members.isEmpty {
            restored.facts.members = Dictionary(uniqueKeysWithValues: members.map { ($0.id, $0) })
        }
        if restored.facts.configuration == nil { restored.facts.configuration = configuration }
        for name in Facts.Name.allCases { restored.dirty[name.rawValue] = .some(restored.facts.encoded(name)) }
        revision = Atomic(restored.keyspace.revision)
        isAlone = Atomic(Self.isAlone(restored.facts.configuration, identity.memberID))
        liveBytes.store(restored.keyspace.liveBytes, ordering: .relaxed)
        hasSpaceAlarm.store(restored.facts.hasAlarm(.noSpace), ordering: .relaxed)
        state = Mutex(restored)
    }

    static func isAlone(_ configuration: Configuration?, _ id: UInt64) -> Bool {
        configuration.map { $0.voters == [id] && !$0.isJoint } ?? false
    }

    package var applied: Applied {
        state.withLock { state in
            guard state.mark.appliedIndex > 0 else { return .blank }
            return Applied(
                position: Position(index: state.mark.appliedIndex, term: state.mark.appliedTerm),
                configuration: state.facts.configuration)
        }
    }

    var hasBackground: Bool { background != nil }

    /// Runs on the reading thread; at once where there is none.
    func inBackground(_ body: @escaping @Sendable () -> Void) {
        if let background { background.async(execute: body) } else { body() }
    }

    /// Runs on a thread of its own, after what was given to it before.
    func inUpkeep(_ body: @escaping @Sendable () -> Void) { upkeep.async(execute: body) }

    /// One at a time writes the storage. Where nobody waits for the thread, it takes its time with that, until one who serves others
    /// waits for it here.
    func withFlushing<T: Sendable>(_ body: () throws -> T) rethrows -> T {
        if BackgroundThread.isPatient {
            return try flushing.withLock { _ in
                try BackgroundThread.patiently(while: { self.flushWaiters.load(ordering: .relaxed) == 0 }, body)
            }
        }
        flushWaiters.add(1, ordering: .relaxed)
        defer { flushWaiters.subtract(1, ordering: .relaxed) }
        return try flushing.withLock { _ in try body() }
    }

    /// Calls `body` with the members now and after every change, on the thread that applied it.
    func onMembersChanged(_ body: @escaping @Sendable (_ members: [MemberRecord], _ removed: Set<UInt64>) -> Void) {
        membersChanged.withLock { $0 = body }
        tellMembers()
    }

    func tellMembers() {
        let (members, removed) = state.withLock { ($0.facts.sortedMembers, $0.facts.removed) }
        membersChanged.withLock { $0 }?(members, removed)
    }

    /// Ends the watches; reads are refused from now on.
    func stop() {
        let wakes = state.withLock { state in
            state.isStopped = true
            return state.listeners.wakes(of: state.hub.watchers)
        }
        wakes.ring()
    }
}

struct MachineMetrics: Sendable {
    let commits = Counter(label: "chainfire_commits_total")
    let applySeconds = Timer(label: "chainfire_apply_seconds")
    let flushSeconds = Timer(label: "chainfire_flush_seconds")
    let flushedRows = Counter(label: "chainfire_flushed_rows_total")
}

/// As member and cluster ids are shown everywhere.
func hex(_ id: UInt64) -> String { String(id, radix: 16) }
