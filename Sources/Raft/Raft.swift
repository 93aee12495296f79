/// Decides what one member of a Raft group does (Ongaro and Ousterhout 2014; Ongaro's dissertation). It knows no
/// clock, disk or socket: time is ticks, and what must be durable before it is said waits for `.persisted`.
///
/// A configuration is in force from the moment its entry is applied, here as in etcd, and a leader appends the next
/// one only after that; so majorities of neighbouring configurations overlap.
package struct Raft: Sendable {
    package let id: UInt64
    let options: Options
    package internal(set) var hardState: HardState
    var durableHardState: HardState
    package internal(set) var role = Role.follower
    package internal(set) var leader: UInt64?
    package internal(set) var configuration: Configuration
    package internal(set) var commit: UInt64
    /// Entries up to here were given out to be applied; `configuration` is the one in force there.
    package internal(set) var applied: UInt64
    /// What a crash would leave.
    package internal(set) var durable: Position
    /// The voter that is to lead next.
    package internal(set) var transferee: UInt64?
    var log: RaftLog
    var random: SplitMix64
    /// Drawn for this run of the process; the upper half of ids that must not repeat over restarts.
    var run: UInt64
    /// The last lower half.
    var sequence: UInt64 = 0
    var now: UInt64 = 0
    /// Configuration entries after `applied`, oldest first.
    var pendingChanges: [UInt64] = []

    // Elections.
    var isRepairing: Bool
    package internal(set) var isFounding: Bool
    var untilCampaign = 0
    var sinceHeard: Int
    /// When this member last began to ask for votes.
    var campaignTick: UInt64 = 0
    var granted: [UInt64] = []
    var rejected: [UInt64] = []
    /// The last term this member led, as far as it knows.
    var ledTerm: UInt64
    /// Leave when the hard state that they promise is durable.
    var waiting: [Message] = []

    // Following.
    /// The log is known to equal that of the term's leader through here.
    var matched: UInt64 = 0
    var owesAnswer = false
    /// The term in which the log last lost a suffix. What was persisted before says nothing of what is there now.
    var truncationTerm: UInt64 = 0
    var reads = FollowerReads()

    // Leading.
    /// Empty while another leads.
    var members = Members()
    var leading = Leading(termStart: 0)

    /// - Parameters:
    ///   - configuration: in force at `commit`. Empty: waits to be told by a leader.
    ///   - base: the place before the first of `entries`.
    ///   - entries: the recovered log, all of it durable.
    ///   - commit: what the machine has applied, durably.
    package init(
        id: UInt64, configuration: Configuration, hardState: HardState = HardState(), base: Position = .start,
        entries: [Entry] = [], commit: UInt64 = 0, options: Options = Options()
    ) {
        precondition(id != 0, "member 0 is nobody")
        precondition(
            options.heartbeatTicks > 0 && options.electionTicks > options.heartbeatTicks,
            "heartbeats every \(options.heartbeatTicks) ticks cannot prevent elections after \(options.electionTicks)")
        let log = RaftLog(base: base, entries: entries)
        precondition(
            base.index <= commit && commit <= log.last.index && log.last.term <= hardState.term,
            "the recovered state contradicts itself: log after \(base) to \(log.last), applied \(commit), term \(hardState.term)")
        self.id = id
        self.options = options
        self.configuration = configuration
        self.hardState = hardState
        self.log = log
        durableHardState = hardState
        durable = log.last
        applied = commit
        isRepairing = options.isRepairing
        isFounding = options.isFounding
        sinceHeard = options.leaseReads ? 0 : options.electionTicks
        ledTerm = hardState.vote == id ? hardState.term : 0
        random = SplitMix64(seed: options.seed ^ id &* 0xD1B5_4A32_D192_ED03)
        run = Self.drawRun(&random)
        pendingChanges = entries.filter { $0.kind == .configuration && $0.index > commit }.map(\.index)
        // A leader appends a change only after it applied the one before, which therefore is committed. Without
        // this, one that forgot the commit could campaign in a configuration that is two changes old.
        self.commit = pendingChanges.count > 1 ? pendingChanges[pendingChanges.count - 2] : commit
        drawTimeout()
    }

    package var last: Position { log.last }
    /// The place before the oldest entry in memory.
    package var base: Position { log.base }
    /// The leader's view of a member; nil elsewhere.
    package func progress(of member: UInt64) -> Progress? { members[member] }
    /// Whether this member leads and has made sure of it since the process last stood still; only then may it let
    /// anything expire.
    package var isVerified: Bool {
        role == .leader && commit >= leading.termStart && leading.confirmed >= leading.verifying && leading.resignation == nil
    }

    /// Kept entries after `index` up to `through`. What a step's `Effects.commit` released is there until the next.
    package func entries(after index: UInt64, through: UInt64) -> [Entry] {
        log.entries(after: index, through: through)
    }

    package mutating func step(_ event: Event) -> Effects {
        var effects = Effects()
        let former = (role, leader, hardState.term)
        trim()
        switch event {
        case .start: start(&effects)
        case .tick: tick(&effects)
        case .gap: gap(&effects)
        case .propose(let proposals): propose(proposals, &effects)
        case .persisted(let state, let position): persisted(state, position, &effects)
        case .received(let message): receive(message, &effects)
        case .read(let id): read(id, &effects)
        case .transfer(let member): transfer(to: member, &effects)
        case .lost(let member): lose(member, &effects)
        case .snapshotSent(let member, let succeeded): snapshotSent(to: member, succeeded, &effects)
        case .repaired: isRepairing = false
        case .founded: isFounding = false
        }
        if (role, leader, hardState.term) != former {
            effects.standing = Effects.Standing(role: role, leader: leader, term: hardState.term)
        }
        return effects
    }

    private mutating func start(_ effects: inout Effects) {
        settle(&effects)
        // Nobody else could object, or lead.
        if isSoleVoter { campaign(isTransfer: false, &effects) }
    }

    var isSoleVoter: Bool { configuration.voters.count == 1 && configuration.voters[0] == id && !configuration.isJoint }

    private mutating func trim() {
        guard log.cost > options.retainedBytesMax else { return }
        var through = applied
        if role == .leader, log.cost <= 4 * options.retainedBytesMax {
            // Else a member that takes long to receive a snapshot would need the next one when it has it.
            for one in members.progress where one.state == .snapshot { through = min(through, one.snapshotIndex) }
        }
        log.trim(through: through, costMax: options.retainedBytesMax)
    }
}
