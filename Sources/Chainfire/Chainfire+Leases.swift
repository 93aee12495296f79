import Host
import Store
import Synchronization

package struct Lease: Hashable, Sendable {
    package var id: Int64
    /// Seconds granted: what was asked, or the least there is.
    package var ttl: Int64
}

package struct LeaseStatus: Hashable, Sendable {
    package var id: Int64
    /// Seconds left.
    package var ttl: Int64
    package var granted: Int64
    /// Sorted; empty unless asked for.
    package var keys: [Key]
}

/// Leases (etcd v3 API, "Lease"): keys that are attached to one die with it. Every member takes these calls.
extension Chainfire {
    /// - Parameters:
    ///   - id: 0 has one chosen, random and positive.
    ///   - ttl: seconds, at most 9,000,000,000; raised to `ChainfireOptions.leaseTTLMin`.
    /// - Throws: `.precondition` when the id is taken, `.outOfRange` when the time is too long, `.noSpace` while the alarm is raised.
    package func grantLease(id: Int64, ttl: Int64) async throws(StoreError) -> Lease {
        let seconds = max(ttl, options.leaseTTLMin)
        guard seconds <= Lessor.ttlMax else { throw .outOfRange("etcdserver: too large lease TTL") }
        guard !machine.hasSpaceAlarm.load(ordering: .relaxed) else { throw .noSpace }
        let chosen = id == 0 ? Int64.random(in: 1 ... .max) : id
        try await propose(.leaseGrant(id: chosen, ttl: seconds))
        return Lease(id: chosen, ttl: seconds)
    }

    /// Ends a lease now; its keys are deleted, all in one revision.
    /// - Throws: `.missing` when there is none.
    package func revokeLease(_ id: Int64) async throws(StoreError) { try await propose(.leasesRevoke([id])) }

    /// Gives a lease its whole time again.
    /// - Returns: the seconds granted.
    /// - Throws: `.missing` when there is none, or no more.
    package func renewLease(_ id: Int64) async throws(StoreError) -> Int64 {
        let result: Result<Int64, StoreError> = await withCheckedContinuation { continuation in
            renewLease(id) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Renewals that come while one is on its way share the next entry of the log.
    package func renewLease(_ id: Int64, _ answer: @escaping @Sendable (Result<Int64, StoreError>) -> Void) {
        if let batch = renewals.add(id, answer, now: time.now()) { renew(batch) }
    }

    /// Until the task is cancelled: those that wait for one that is overdue go without it.
    func keepRenewing() async {
        while true {
            do { try await time.sleep(for: RenewalDesk.patience / 2) } catch { return }
            if let batch = renewals.overdue(now: time.now()) { renew(batch) }
        }
    }

    private func renew(_ batch: RenewalDesk.Batch) {
        // The same lease twice is one renewal.
        let ids = Set(batch.wishes.map(\.id)).sorted()
        propose(.leasesRenew(ids)) { [self] result in
            let next = renewals.next(after: batch.number, now: time.now())
            var granted: [Int64: Int64?] = [:]
            if case .success(.renewed(let seconds)) = result {
                for (id, seconds) in zip(ids, seconds) { granted[id] = .some(seconds) }
            }
            for wish in batch.wishes {
                switch result {
                case .failure(let error): wish.answer(.failure(error))
                case .success:
                    if let seconds = granted[wish.id] ?? nil { wish.answer(.success(seconds)) } else {
                        wish.answer(.failure(Keyspace.leaseNotFound))
                    }
                }
            }
            if let next { renew(next) }
        }
    }

    /// nil: there is no such lease. Seconds left are as this member reckons them: as the
    /// leader does, but that one that was started anew since the last renewal knows only what was recorded, or the whole time, and that a
    /// leader that stood still gives all their time again.
    package func leaseStatus(_ id: Int64, keys: Bool) async throws(StoreError) -> LeaseStatus? {
        try await barrier()
        let now = time.now()
        return machine.state.withLock { state in
            guard let lease = state.lessor.leases[id], let left = state.lessor.remaining(id, now: now) else { return nil }
            return LeaseStatus(id: id, ttl: left, granted: lease.granted, keys: keys ? lease.keys.sorted() : [])
        }
    }

    /// All ids, sorted.
    package func leases() async throws(StoreError) -> [Int64] {
        try await barrier()
        return machine.state.withLock { $0.lessor.sortedIDs }
    }
}

/// Collects renewals while one entry of them is on its way; one that is lost on the way to the leader is given up after seconds only, and is not
/// waited for so long: to renew twice does no harm.
final class RenewalDesk: Sendable {
    struct Wish: Sendable {
        var id: Int64
        var answer: @Sendable (Result<Int64, StoreError>) -> Void
    }
    struct Batch: Sendable {
        var number: Int
        var wishes: [Wish]
    }
    private struct State {
        var waiting: [Wish] = []
        /// The batch that left last, whether it is on its way, and when it left. Those before it hold nobody up.
        var last = 0
        var isUnderWay = false
        var leftAt = Instant(sinceStart: .zero)

        mutating func leave(now: Instant) -> Batch {
            last += 1
            (isUnderWay, leftAt) = (true, now)
            defer { waiting = [] }
            return Batch(number: last, wishes: waiting)
        }
    }
    static let patience = Duration.milliseconds(500)
    private let state = Mutex(State())

    /// - Returns: what to propose now, if nothing is on its way.
    func add(_ id: Int64, _ answer: @escaping @Sendable (Result<Int64, StoreError>) -> Void, now: Instant) -> Batch? {
        state.withLock { state in
            state.waiting.append(Wish(id: id, answer: answer))
            return state.isUnderWay ? nil : state.leave(now: now)
        }
    }

    /// One has its answer.
    /// - Returns: what to propose now.
    func next(after number: Int, now: Instant) -> Batch? {
        state.withLock { state in
            guard number == state.last else { return nil }
            state.isUnderWay = false
            return state.waiting.isEmpty ? nil : state.leave(now: now)
        }
    }

    /// - Returns: what to propose now, because the last that left takes too long.
    func overdue(now: Instant) -> Batch? {
        state.withLock { state in
            state.waiting.isEmpty || now - state.leftAt < Self.patience ? nil : state.leave(now: now)
        }
    }
}
