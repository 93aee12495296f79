import Host
import Raft
import Replica
import Simulation
import Synchronization

/// What a member's clock showed when it was last looked at.
final class LocalClock: Sendable {
    private let shown = Mutex(Instant(sinceStart: .zero))

    func now() -> Instant { shown.withLock { $0 } }
    func set(_ instant: Instant) { shown.withLock { $0 = instant } }
}

/// One member's machine: its disk, its database, its clock, and the process that runs on it or does not.
final class Member<S: Subject> {
    enum State: Equatable {
        case running
        /// Stopped as by SIGSTOP; goes on where it was.
        case paused
        case down
        /// Shut off for ever.
        case gone
    }

    let id: UInt64
    private(set) var disk: SimulatedDisk
    private(set) var storage: SimulatedStorage
    let localClock = LocalClock()
    var state = State.down
    /// Rises with every start and every end: what was planned for an earlier life is void.
    var life = 0
    var core: ReplicaCore<Tap<S>>?
    var tap: Tap<S>?
    var book: PeerBook?
    /// Of the disk, as the others are told.
    var incarnation: UInt64 = 0 { didSet { if firstIncarnation == 0 { firstIncarnation = incarnation } } }
    /// Of the disk it began with: what the group has agreed on, and tells who joins.
    private(set) var firstIncarnation: UInt64 = 0
    /// When what is kept aside is done.
    var keepingUntil: Micros = 0
    /// Arrived while the process was busy with the disk, or paused.
    var inbox: [ReplicaInput] = []
    var busyUntil: Micros = 0
    var isAwaited = false
    /// How long a sync takes.
    var syncLatency = Cluster<S>.syncLatency
    /// The clock's rate, in thousandths of true time, and what it has jumped.
    var clockRate: Int64 = 1_000
    private var clockBase: Micros = 0
    private var clockSince: Micros = 0
    /// True time when the process was paused.
    var pausedAt: Micros = 0
    /// A fault was planned that ends the process: it may.
    var mayEnd = false
    /// A byte of its log was flipped and it has not been repaired since.
    var isDamaged = false
    /// It lost its disk, and goes on under its old id with an empty one.
    private(set) var isWiped = false
    var membership: Membership
    /// The last look at it.
    var look = Look()
    var configuration = Configuration()
    /// The newest revision it answered in this life.
    var answered: Int64 = 0

    init(id: UInt64, membership: Membership, seed: UInt64) {
        self.id = id
        self.membership = membership
        disk = SimulatedDisk(seed: seed)
        storage = SimulatedStorage(name: "member-\(id)", disk: disk)
    }

    /// An empty disk comes in the place of the one it had.
    func wipe(seed: UInt64) {
        isWiped = true
        disk = SimulatedDisk(seed: seed)
        storage = SimulatedStorage(name: "member-\(id)", disk: disk)
    }

    /// What the member's clock shows now.
    @discardableResult
    func clock(_ now: Micros) -> Instant {
        let shown = Instant(sinceStart: .microseconds(clockBase + (now - clockSince) * clockRate / 1_000))
        localClock.set(shown)
        return shown
    }

    func setClock(rate: Int64, jump: Micros, at now: Micros) {
        clockBase += (now - clockSince) * clockRate / 1_000 + jump
        clockSince = now
        clockRate = rate
    }

    var isUp: Bool { state == .running || state == .paused }
}

/// What a member's process shows from outside.
struct Look: Equatable {
    var term: UInt64 = 0
    var role = Role.follower
    var leader: UInt64 = 0
    var commit: UInt64 = 0
    var applied: UInt64 = 0
    var durable: UInt64 = 0
    var last: UInt64 = 0
}

extension ReplicaCore {
    /// After every step: without what a whole status gathers.
    var look: Look {
        Look(
            term: raft.hardState.term, role: raft.role, leader: raft.leader ?? 0, commit: raft.commit, applied: applied.index,
            durable: raft.durable.index, last: raft.last.index)
    }
}
