import Store

/// How much of what the clients of a run ask. Drawn from the seed, so that seeds differ in kind ("swarm testing", Groce
/// et al., 2012): a load of everything at once hides what only a load of one thing finds.
struct Load {
    enum Kind: CaseIterable {
        case put, delete, deleteRange, compareAndSet, create, several, readLast, readRange, readSerializable, readOld
        case grant, renew, revoke, putLeased, compact
    }

    var clients: Int
    var keys: Int
    /// Mean pause of a client between an answer and its next call.
    var pause: Micros
    /// A client gives a call up after this.
    var patience: Micros
    var watchers: Int
    var weights: [(Kind, Int)]
    /// Each client stays with one member, whatever becomes of that.
    var keepsHome = false

    init(_ dice: inout Dice) {
        clients = dice.pick([2, 3, 3, 4, 6])
        keys = dice.pick([2, 4, 8])
        pause = .milliseconds(dice.pick([100, 500, 1_500, 4_000]))
        patience = .milliseconds(dice.pick([800, 2_000, 5_000]))
        watchers = dice.pick([1, 2, 4])
        let usual: [(Kind, Int)] = [
            (.put, 30), (.delete, 6), (.deleteRange, 2), (.compareAndSet, 12), (.create, 6), (.several, 6), (.readLast, 16),
            (.readRange, 6), (.readSerializable, 8), (.readOld, 4), (.grant, 4), (.renew, 8), (.revoke, 1), (.putLeased, 6),
            (.compact, 2),
        ]
        weights = usual
        for place in weights.indices where dice.oneIn(5) { weights[place].1 *= dice.pick([0, 4]) }
        weights[0].1 = max(weights[0].1, 10)
    }

    /// Many short calls, at all members.
    mutating func keepHome(_ weights: [(Kind, Int)], _ dice: inout Dice) {
        keepsHome = true
        clients = 6
        keys = 2
        pause = .milliseconds(dice.pick([60, 150]))
        patience = .milliseconds(dice.pick([800, 2_000]))
        self.weights = weights
    }
}

/// One client: makes a call, waits for its answer or loses patience, pauses, and makes the next.
struct Client {
    struct Lease {
        var id: Int64
        var seconds: Int64
    }

    let number: Int
    var dice: Dice
    /// The member it speaks to.
    var target: UInt64
    /// The call that waits for an answer.
    var waitsFor: Int?
    private var serial: Int64 = 0
    /// What it last saw of each key.
    private var seen: [Key: Revision] = [:]
    private var leases: [Lease] = []
    private(set) var newest: Revision = 1
    /// How many calls in a row got no answer.
    var misses = 0
    /// After the healing it made its last call, and that was answered or is under way.
    var hasLastWord = false
    /// After the healing a write of its own was answered.
    private(set) var hasWritten = false

    init(number: Int, dice: Dice, target: UInt64) {
        self.number = number
        self.dice = dice
        self.target = target
    }

    private mutating func value() -> [UInt8] {
        serial += 1
        return Array("\(number).\(serial)".utf8)
    }

    mutating func next(_ load: Load) -> Request {
        let key = Key("k\(dice.below(load.keys))")
        switch dice.pick(weighted: load.weights) {
        case .put: return put(key)
        case .delete: return .transaction(Transaction(then: [.delete(key), mark()]))
        case .deleteRange: return .transaction(Transaction(then: [.delete(KeyRange(lower: key, upper: Key("k~"))), mark()]))
        case .compareAndSet:
            return .transaction(
                Transaction(
                    if: [Compare(key, .equal, .modRevision(seen[key] ?? 0))], then: [.put(key, value())],
                    otherwise: [.range(RangeRequest(.single(key)))]))
        case .create:
            return .transaction(
                Transaction(
                    if: [Compare(key, .equal, .version(0))], then: [.put(key, value())], otherwise: [.delete(key)]))
        case .several:
            let other = Key("m\(dice.below(load.keys))")
            return .transaction(
                Transaction(
                    then: [
                        .put(key, value()), .delete(.prefix("m/")), .put(other, value()),
                        .range(RangeRequest(.all, countOnly: true)),
                    ]))
        case .readLast: return .range(RangeRequest(.single(key)), serializable: false)
        case .readRange:
            return .range(RangeRequest(.all, limit: dice.oneIn(3) ? 2 : 0, keysOnly: dice.oneIn(4)), serializable: false)
        case .readSerializable: return .range(RangeRequest(.all), serializable: true)
        case .readOld: return .range(RangeRequest(.all, at: max(1, newest - dice.below(12))), serializable: dice.oneIn(2))
        case .grant:
            serial += 1
            let lease = Lease(id: Int64(number + 1) << 32 | serial, seconds: dice.within(4...12))
            leases.append(lease)
            if leases.count > 4 { leases.removeFirst() }
            return .grant(lease: lease.id, seconds: lease.seconds)
        case .renew: return leases.isEmpty ? put(key) : .renew(lease: dice.pick(leases).id)
        case .revoke: return leases.isEmpty ? put(key) : .revoke(lease: leases.removeFirst().id)
        case .putLeased:
            guard let lease = leases.last else { return put(key) }
            return .transaction(Transaction(then: [.put(Key("l\(lease.id & 7)"), value(), lease: lease.id)]))
        case .compact: return .compact(max(1, newest - dice.below(20)))
        }
    }

    /// Sets a call apart from all others: what was applied is then known to be of this one.
    private mutating func mark() -> Operation {
        serial += 1
        return .range(RangeRequest(.single(Key("?\(number).\(serial)")), countOnly: true))
    }

    private mutating func put(_ key: Key) -> Request { .transaction(Transaction(then: [.put(key, value())])) }

    mutating func beginLastWords() {
        hasLastWord = false
        hasWritten = false
    }

    /// For the end of a run: a write that is surely one, and then a read.
    mutating func lastWord() -> Request { hasWritten ? .range(RangeRequest(.single("end")), serializable: false) : put("end") }

    mutating func learn(_ answer: Answer, to request: Request) {
        switch answer {
        case .transaction(let result):
            newest = max(newest, result.revision)
            hasWritten = true
            guard case .transaction(let transaction) = request else { return }
            for (operation, result) in zip(result.succeeded ? transaction.then : transaction.otherwise, result.results) {
                if case .put(let key, _, _) = operation { seen[key] = newest }
                if case .range(let found) = result { learn(found) }
            }
        case .range(let result):
            newest = max(newest, result.revision)
            learn(result)
        case .done, .refused, .unknown: break
        }
    }

    private mutating func learn(_ result: RangeResult) {
        for entry in result.entries { seen[entry.key] = max(seen[entry.key] ?? 0, entry.modRevision) }
    }
}
