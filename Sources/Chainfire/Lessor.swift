import Bytes
import Host
import Replica
import Store

/// A lease as the leader saw it when it decided: an end counts only while nobody has renewed the lease since.
package struct LeaseSight: Hashable, Sendable {
    package var id: Int64
    /// The index of the entry that granted or last renewed it.
    package var renewed: UInt64
}

/// Decides about leases. What is granted, attached and revoked comes from the log and is the same on all
/// members; when a lease has run out only the leader says, by proposing its end.
///
/// A change of leader or a pause gives every lease its whole time again, or what was left of it when it was last
/// recorded: time that nobody saw pass takes no lease away (etcd `lessor.Promote`, etcd issue 15247).
struct Lessor: Sendable {
    struct Lease: Hashable, Sendable {
        /// Seconds.
        var granted: Int64
        /// Seconds that were left when that was last recorded; 0 is all.
        var remaining: Int64 = 0
        /// When this member learnt of that, by its clock; never replicated.
        var recordedAt = Instant(sinceStart: .zero)
        /// The index of the entry that granted or last renewed it. An end that was decided before does not count.
        var renewed: UInt64
        /// By this member's clock; never replicated.
        var renewedAt: Instant
        var keys: Set<Key> = []
    }

    static let ttlMax: Int64 = 9_000_000_000
    /// etcd revokes as many in a second.
    private static let endsPerSecond: Int64 = 1_000

    /// So often the leader records what is left of leases that last longer (etcd's `leaseCheckpointInterval`).
    let recordsEvery: Duration
    private(set) var leases: [Int64: Lease] = [:]
    private var deadlines = Deadlines()
    private var leadership: Leadership?
    /// The latest term, and when this member first applied something of it: about when its leader began to count anew.
    private var term: (number: UInt64, began: Instant)?
    /// Ends that were proposed: asked for again after a second, should the entry be lost.
    private var ending: [Int64: Instant] = [:]
    private var endsLeft: Int64 = 0
    private var lastDue: Instant?
    private var nextCheckpoint: Instant?

    init(recordsEvery: Duration) { self.recordsEvery = recordsEvery }

    var sortedIDs: [Int64] { leases.keys.sorted() }

    mutating func grant(_ id: Int64, ttl: Int64, index: UInt64, now: Instant) throws(StoreError) {
        guard ttl <= Self.ttlMax else { throw .outOfRange("etcdserver: too large lease TTL") }
        guard leases[id] == nil else { throw .precondition("etcdserver: lease already exists") }
        leases[id] = Lease(granted: ttl, renewed: index, renewedAt: now)
        deadlines.push(now + .seconds(ttl), id)
        // Only who leads takes them out again.
        if deadlines.count > 2 * leases.count + 1_024 {
            deadlines = Deadlines()
            for id in sortedIDs { if let lease = leases[id] { deadlines.push(deadline(lease), id) } }
        }
    }

    /// What was stored. Keys are attached afterwards.
    mutating func restore(_ id: Int64, granted: Int64, remaining: Int64, renewed: UInt64, now: Instant) {
        leases[id] = Lease(granted: granted, remaining: remaining, recordedAt: now, renewed: renewed, renewedAt: now)
        deadlines.push(now, id)
    }

    /// - Returns: the seconds granted; nil when it is not there.
    mutating func renew(_ id: Int64, index: UInt64, now: Instant) -> Int64? {
        guard let lease = leases[id] else { return nil }
        leases[id]?.renewed = index
        leases[id]?.renewedAt = now
        leases[id]?.remaining = 0
        ending[id] = nil
        return lease.granted
    }

    /// - Returns: whether anything changed.
    mutating func record(_ sight: LeaseSight, remaining: Int64, now: Instant) -> Bool {
        guard let lease = leases[sight.id], lease.renewed == sight.renewed, remaining > 0, remaining < lease.granted else {
            return false
        }
        leases[sight.id]?.remaining = remaining
        leases[sight.id]?.recordedAt = now
        return true
    }

    /// - Returns: the keys that go with it, sorted; nil when it is not there.
    mutating func remove(_ id: Int64) -> [Key]? {
        ending[id] = nil
        return leases.removeValue(forKey: id)?.keys.sorted()
    }

    func isCurrent(_ sight: LeaseSight) -> Bool { leases[sight.id]?.renewed == sight.renewed }

    mutating func attach(_ key: Key, to id: Int64) { if id != 0 { leases[id]?.keys.insert(key) } }
    mutating func detach(_ key: Key, from id: Int64) { if id != 0 { leases[id]?.keys.remove(key) } }

    /// Whole seconds until it may end, as far as this member knows.
    func remaining(_ id: Int64, now: Instant) -> Int64? {
        guard let lease = leases[id] else { return nil }
        return max(0, Int64((deadline(lease) - now) / .seconds(1)))
    }

    private func deadline(_ lease: Lease) -> Instant {
        // Who leads began to count after it had applied something of its term.
        let since = [leadership?.since, term?.began].compactMap { $0 }.max()
        guard let since, since > lease.renewedAt else { return lease.renewedAt + .seconds(lease.granted) }
        // What was left then has passed since then, and is not to pass again from the beginning of the leadership on.
        return lease.remaining > 0 ? max(since, lease.recordedAt) + .seconds(lease.remaining) : since + .seconds(lease.granted)
    }

    /// Of each entry that is applied.
    mutating func see(term number: UInt64, now: Instant) { if number != term?.number { term = (number, now) } }

    /// Asked every tick while this member leads.
    mutating func due(_ now: Instant, _ leadership: Leadership) -> [StoreCommand] {
        if leadership != self.leadership {
            self.leadership = leadership
            ending = [:]
            deadlines.removeAll()
            for id in sortedIDs { if let lease = leases[id] { deadlines.push(deadline(lease), id) } }
            nextCheckpoint = now + recordsEvery
        }
        let passed = lastDue.map { max(.zero, now - $0) } ?? .seconds(1)
        lastDue = now
        let earned = passed >= .seconds(1) ? Self.endsPerSecond : Int64(passed / .milliseconds(1)) * Self.endsPerSecond / 1_000
        endsLeft = min(Self.endsPerSecond / 2, endsLeft + earned)
        var commands: [StoreCommand] = []
        let ends = takeEnds(now)
        if !ends.isEmpty { commands.append(.leasesEnd(ends)) }
        if let nextCheckpoint, now >= nextCheckpoint {
            self.nextCheckpoint = now + recordsEvery
            commands += checkpoints(now)
        }
        return commands
    }

    private mutating func takeEnds(_ now: Instant) -> [LeaseSight] {
        var ends: [LeaseSight] = []
        while endsLeft > 0, let next = deadlines.first, next.at <= now {
            deadlines.removeFirst()
            // Whoever was renewed, or was asked to end and did not, comes again later.
            guard let lease = leases[next.id] else { continue }
            let deadline = max(deadline(lease), ending[next.id] ?? deadline(lease))
            guard deadline <= now else {
                deadlines.push(deadline, next.id)
                continue
            }
            ends.append(LeaseSight(id: next.id, renewed: lease.renewed))
            ending[next.id] = now + .seconds(1)
            deadlines.push(now + .seconds(1), next.id)
            endsLeft -= 1
        }
        return ends
    }

    /// Long leases' remaining times, so that a new leader need not give them all of it again.
    private func checkpoints(_ now: Instant) -> [StoreCommand] {
        let long = sortedIDs.compactMap { id -> (LeaseSight, Int64)? in
            guard let lease = leases[id], .seconds(lease.granted) > recordsEvery,
                // Rounded up: what is recorded again and again must not shorten it.
                case let left = Int64(((deadline(lease) - now) / .seconds(1)).rounded(.up)), left > 0, left < lease.granted
            else { return nil }
            return (LeaseSight(id: id, renewed: lease.renewed), left)
        }
        return stride(from: 0, to: long.count, by: 1_000).map { start in
            .leasesRecord(long[start..<min(start + 1_000, long.count)].map { StoreCommand.Remaining(sight: $0.0, seconds: $0.1) })
        }
    }
}

extension Lessor.Lease {
    var encoded: [UInt8] {
        var out = ByteWriter()
        out.number(granted)
        out.number(remaining)
        out.writeVarint(renewed)
        return out.bytes
    }
}

/// The earliest deadline first; a binary heap.
struct Deadlines: Sendable {
    struct Item: Sendable {
        var at: Instant
        var id: Int64

        fileprivate func isBefore(_ other: Item) -> Bool { (at, id) < (other.at, other.id) }
    }
    private var items: [Item] = []

    var first: Item? { items.first }
    var count: Int { items.count }

    mutating func push(_ at: Instant, _ id: Int64) {
        items.append(Item(at: at, id: id))
        var place = items.count - 1
        while place > 0, items[place].isBefore(items[(place - 1) / 2]) {
            items.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func removeFirst() {
        items.swapAt(0, items.count - 1)
        items.removeLast()
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < items.count && items[child].isBefore(items[least]) {
                least = child
            }
            guard least != place else { return }
            items.swapAt(place, least)
            place = least
        }
    }

    mutating func removeAll() { items.removeAll() }
}
