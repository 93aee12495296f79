import Raft
import Replica
import Simulation
import Store

/// A whole cluster with its clients in one thread and in simulated time: real `ReplicaCore`s with the real log on
/// simulated disks, the real machine on each, a network and clocks that misbehave, and from outside a view of everything
/// that holds all of it to its promises after every event. All that happens follows from the seed.
final class Cluster<S: Subject> {
    enum Happening {
        case tick(UInt64, life: Int)
        case arrive(to: UInt64, letter: Int)
        case wake(UInt64, life: Int)
        case ask(member: UInt64, call: Int)
        case hear(call: Int, letter: Int, member: UInt64)
        case losePatience(client: Int, call: Int)
        case act(client: Int)
        case restart(UInt64)
        case snapshot(UInt64, life: Int, letter: Int)
        case checkpoint(UInt64, life: Int)
        case checkpointed(UInt64, life: Int, through: UInt64?)
        case keep(UInt64, life: Int, letter: Int)
        case mischief
        case end(Fix)
        case operate
        case watch(Int)
        case heal
        case ruin
    }

    /// What a fault ends with.
    enum Fix {
        case resume(UInt64)
        case link(UInt64, UInt64)
        case links
        case latency(UInt64)
        case room(UInt64)
        case pace(UInt64, UInt64)
    }

    enum Letter {
        case message([UInt8], from: UInt64, incarnation: UInt64)
        case part(SnapshotPart)
        case answer(Answer)
        case path(String)
    }

    struct Expectation {
        var answer: Answer
        var call: Int?
    }

    static var tick: Micros { .milliseconds(50) }
    static var clusterNumber: UInt64 { 7 }
    /// Of a disk that is well.
    static var syncLatency: Micros { 300 }

    let scenario: Scenario
    let make: (Member<S>) throws -> S
    var now: Micros = 0
    var queue = EventQueue<Happening>()
    var letters = Slots<Letter>()
    var network = Network()
    var networkDice: Dice
    var faultDice: Dice
    var worldDice: Dice
    /// By id, ascending; those who are gone stay for the record.
    var members: [Member<S>] = []
    var truth = Truth()
    var model = Model(checksLeases: true)
    var chronicle = Chronicle()
    var leaseClock = LeaseClock()
    var expectations: [UInt64: Expectation] = [:]
    /// Calls that were proposed and are not applied yet, by their bytes.
    var proposed: [[UInt8]: [Int]] = [:]
    /// Calls that are applied somewhere.
    var appliedCalls: Set<Int> = []
    /// Commands that machines wanted proposed, and how often.
    var wanted: [[UInt8]: Int] = [:]
    var history = History()
    /// For each call, the newest revision answered to anybody when it was made.
    var floors: [Revision] = []
    var answeredRevision: Revision = 1
    var clients: [Client]
    var watchers: [WatchingClient] = []
    var trace: Trace
    var isHealing = false
    /// Since when it is demanded that all goes on.
    var demandsSince: Micros = 0
    /// Before that a client that is answered makes another call.
    var insistsUntil: Micros = 0
    /// A minority is broken, and the others must go on.
    var isLame = false
    var wasLame = false
    /// A majority has lost its disks: from here on nothing need go on, and nothing may begin anew.
    var ruinedAt: Micros?
    var nextMember: UInt64 = 1
    var nextChange: UInt64 = 1 << 40
    var seats = Seats()
    var counts = Counts()
    var meetings: Set<Meeting> = []
    /// Who has met whom, and will know it again: the books of all disks.
    var acquaintances: Set<Network.Ends> = []
    /// Who was just told so.
    var disowned: [UInt64] = []
    /// Until then whoever votes loses power as its vote leaves, or its vote is late.
    var trapUntil: Micros = 0
    var trapDelaysVotes = false
    var lateVote: (from: UInt64, to: UInt64, term: UInt64, letter: Letter)?
    /// What a cut kept from a member, and may still come from its sender's buffers.
    var heldBack: [UInt64: [Letter]] = [:]

    init(_ scenario: Scenario, trace: Trace, make: @escaping (Member<S>) throws -> S) throws(Breach) {
        self.scenario = scenario
        self.trace = trace
        self.make = make
        var dice = Dice(seed: scenario.seed)
        networkDice = dice.fork()
        faultDice = dice.fork()
        worldDice = dice.fork()
        clients = (0..<scenario.load.clients).map { number in
            Client(
                number: number, dice: dice.fork(),
                target: scenario.load.keepsHome ? UInt64(number % scenario.members + 1) : 1)
        }
        let founders = Configuration(voters: (1...UInt64(scenario.members)).map { $0 })
        for _ in 0..<scenario.members { try addMember(.bootstrap(founders)) }
        seats.voters = founders.voters
        for client in clients.indices { plan(.act(client: client), in: 1_000_000 + worldDice.below(Micros.seconds(1))) }
        for number in 0..<scenario.load.watchers {
            watchers.append(
                WatchingClient(
                    number: number, range: number == 0 ? .all : .prefix(worldDice.pick(["k", "k1", "l", "m"])), from: 2))
            plan(.watch(number), in: .seconds(1))
        }
        plan(.mischief, in: .seconds(3))
        plan(.operate, in: .seconds(1))
        plan(.heal, in: scenario.length)
        if let ruin = scenario.ruin { plan(.ruin, in: ruin) }
    }

    func plan(_ happening: Happening, in delay: Micros) { queue.add(happening, at: now + max(0, delay)) }

    func member(_ id: UInt64) -> Member<S>? { id > 0 && id <= UInt64(members.count) ? members[Int(id) - 1] : nil }

    /// Runs to the end: faults, healing, and the demand that all goes on.
    func run() throws(Breach) {
        while let (time, happening) = queue.take() {
            now = time
            counts.events += 1
            try happen(happening)
            if let ruinedAt {
                if now > ruinedAt + .seconds(30) { break }
            } else if isHealing, try isDone() {
                break
            }
        }
        try checkHistory()
    }

    private func happen(_ happening: Happening) throws(Breach) {
        switch happening {
        case .tick(let id, let life): try tick(id, life)
        case .arrive(let id, let letter):
            guard case .message(let bytes, let sender, let incarnation)? = letters.take(letter) else { return }
            try deliver(bytes, from: sender, incarnation: incarnation, to: id)
        case .wake(let id, let life): try wake(id, life)
        case .ask(let id, let call): try ask(id, call)
        case .hear(let call, let letter, let id):
            guard case .answer(let answer)? = letters.take(letter) else { return }
            try hear(call, answer, id)
        case .losePatience(let client, let call): losePatience(client, call)
        case .act(let client): act(client)
        case .restart(let id): if let member = member(id), member.state == .down { try start(member) }
        case .snapshot(let id, let life, let letter): try makeSnapshot(id, life, letter)
        case .checkpoint(let id, let life): try makeCheckpoint(id, life)
        case .checkpointed(let id, let life, let index):
            guard let member = member(id), member.life == life else { return }
            try arrive(id, .checkpointMade(index.map { .success($0) } ?? .failure(.noSpace)))
        case .keep(let id, let life, let letter): try keepPart(id, life, letter)
        case .mischief: try mischief()
        case .end(let fix): try end(fix)
        case .operate: try operate()
        case .watch(let number): try look(number)
        case .heal: if ruinedAt == nil { try heal() }
        case .ruin: try ruin()
        }
        if !disowned.isEmpty { try endDisowned() }
    }
}

/// Things that events speak of by number.
struct Slots<Element> {
    private var slots: [Element?] = []
    private var free: [Int] = []

    mutating func put(_ element: Element) -> Int {
        if let slot = free.popLast() {
            slots[slot] = element
            return slot
        }
        slots.append(element)
        return slots.count - 1
    }

    mutating func take(_ slot: Int) -> Element? {
        defer {
            slots[slot] = nil
            free.append(slot)
        }
        return slots[slot]
    }
}
