/// Decides what one member of a Raft group does (Ongaro and Ousterhout 2014). It knows no clock, disk or
/// socket: time is ticks, and what must be durable first waits for `.persisted`.
///
/// Elections and commits count a quorum of any number of voters. Entries are not sent to other members yet, so
/// only a group of one makes progress; a larger one elects and never commits.
package struct Raft: Sendable {
    package struct Options: Hashable, Sendable {
        /// Ticks without a leader before an election; up to twice as many, differing by member and term.
        package var electionTicks = 10
        /// Most bytes of proposals that may be appended and not committed. One proposal is always let in.
        package var uncommittedBytesMax = 64 << 20

        package init() {}
    }

    package let id: UInt64
    /// Sorted.
    package let voters: [UInt64]
    package private(set) var hardState: HardState
    package private(set) var role = Role.follower
    package private(set) var leader: UInt64?
    package private(set) var last: Position
    package private(set) var commit: UInt64
    /// What a crash would leave.
    package private(set) var durable: Position
    private var durableHardState: HardState
    private let options: Options
    /// Where this leader's term begins in the log: only entries from here on commit by being counted (§5.4.2).
    private var termStart: UInt64 = 0
    private var votes: [UInt64] = []
    private var sinceElection = 0
    /// Leave with the hard state that they promise.
    private var waiting: [Message] = []
    private var uncommitted: [(last: UInt64, bytes: Int)] = []
    private var uncommittedBytes = 0

    /// - Parameters:
    ///   - last: the end of the recovered log, all of it durable.
    ///   - commit: an index known to be committed, as the one that was applied before.
    package init(
        id: UInt64, voters: [UInt64], hardState: HardState, last: Position, commit: UInt64, options: Options = Options()
    ) {
        precondition(id != 0 && voters.contains(id), "member \(id) is not a voter")
        precondition(commit <= last.index && last.term <= hardState.term, "the recovered state contradicts itself")
        self.id = id
        self.voters = voters.sorted()
        self.hardState = hardState
        self.last = last
        self.commit = commit
        self.options = options
        durable = last
        durableHardState = hardState
    }

    package mutating func step(_ event: Event) -> Effects {
        var effects = Effects()
        let before = role
        switch event {
        case .start: if voters == [id] { campaign(&effects) }
        case .tick: tick(&effects)
        case .propose(let commands): propose(commands, &effects)
        case .persisted(let state, let position): persisted(state, position, &effects)
        case .received(let message): receive(message, &effects)
        }
        if role != before { effects.role = role }
        return effects
    }

    private var quorum: Int { voters.count / 2 + 1 }

    private var electionTimeout: Int {
        let mixed = (id &* 0x9E37_79B9_7F4A_7C15 ^ hardState.term &* 0xBF58_476D_1CE4_E5B9) >> 33
        return options.electionTicks + Int(mixed % UInt64(options.electionTicks))
    }

    private mutating func tick(_ effects: inout Effects) {
        guard role != .leader else { return }
        sinceElection += 1
        if sinceElection >= electionTimeout { campaign(&effects) }
    }

    private mutating func campaign(_ effects: inout Effects) {
        become(.candidate, term: hardState.term + 1, vote: id, &effects)
        for voter in voters where voter != id {
            waiting.append(Message(from: id, to: voter, term: hardState.term, body: .voteRequest(last: last)))
        }
    }

    private mutating func become(_ role: Role, term: UInt64, vote: UInt64, _ effects: inout Effects) {
        self.role = role
        leader = nil
        votes = []
        sinceElection = 0
        uncommitted = []
        uncommittedBytes = 0
        waiting.removeAll { $0.term < term }
        hardState = HardState(term: term, vote: vote)
        effects.save = hardState
    }

    private mutating func propose(_ commands: [[UInt8]], _ effects: inout Effects) {
        guard role == .leader else {
            effects.refused = .notLeader(leader: leader)
            effects.refusedCount = commands.count
            return
        }
        var bytes = 0
        for (at, command) in commands.enumerated() {
            let total = uncommittedBytes + bytes + command.count
            if total > options.uncommittedBytesMax, uncommittedBytes + bytes > 0 {
                effects.refused = .uncommittedBytes(bytesMax: options.uncommittedBytesMax)
                effects.refusedCount = commands.count - at
                break
            }
            bytes += command.count
            append(command, &effects)
        }
        guard bytes > 0 else { return }
        uncommitted.append((last.index, bytes))
        uncommittedBytes += bytes
    }

    private mutating func append(_ bytes: [UInt8], _ effects: inout Effects) {
        last = Position(index: last.index + 1, term: hardState.term)
        effects.append.append(Entry(index: last.index, term: last.term, bytes: bytes))
    }

    private mutating func persisted(_ state: HardState, _ position: Position, _ effects: inout Effects) {
        precondition(position.index <= last.index && state.term <= hardState.term, "persisted what was never asked for")
        durable = position
        durableHardState = state
        guard state == hardState else { return }
        effects.send += waiting
        waiting = []
        if role == .candidate { count(voteOf: id, &effects) }
        advanceCommit(&effects)
    }

    private mutating func count(voteOf voter: UInt64, _ effects: inout Effects) {
        if !votes.contains(voter) { votes.append(voter) }
        guard votes.count >= quorum else { return }
        role = .leader
        leader = id
        termStart = last.index + 1
        append([], &effects)
    }

    private mutating func advanceCommit(_ effects: inout Effects) {
        // The others' logs are not known, so they count as empty.
        let reached = voters.map { $0 == id ? durable.index : 0 }.sorted(by: >)[quorum - 1]
        guard role == .leader, reached >= termStart, reached > commit else { return }
        commit = reached
        effects.commit = commit
        let done = uncommitted.prefix { $0.last <= reached }
        uncommittedBytes -= done.reduce(0) { $0 + $1.bytes }
        uncommitted.removeFirst(done.count)
    }

    private mutating func receive(_ message: Message, _ effects: inout Effects) {
        guard message.to == id, message.from != id, voters.contains(message.from) else { return }
        if message.term > hardState.term { become(.follower, term: message.term, vote: 0, &effects) }
        switch message.body {
        case .voteRequest(let theirs):
            let isCurrent = (theirs.term, theirs.index) >= (last.term, last.index)
            let isFree = hardState.vote == 0 || hardState.vote == message.from
            let granted = message.term == hardState.term && role == .follower && isFree && isCurrent
            if granted {
                sinceElection = 0
                if hardState.vote == 0 {
                    hardState.vote = message.from
                    effects.save = hardState
                }
            }
            answer(Message(from: id, to: message.from, term: hardState.term, body: .voteAnswer(granted: granted)), &effects)
        case .voteAnswer(let granted):
            guard granted, role == .candidate, message.term == hardState.term else { return }
            count(voteOf: message.from, &effects)
        }
    }

    /// Speaks of a term only after the disk knows it.
    private mutating func answer(_ message: Message, _ effects: inout Effects) {
        if durableHardState == hardState { effects.send.append(message) } else { waiting.append(message) }
    }
}
