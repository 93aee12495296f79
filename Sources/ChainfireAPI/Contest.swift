import Chainfire
import GRPC
import Store

/// Locks and elections rest on one recipe: everybody puts a key of their own under a prefix, bound to a lease; who came
/// first holds it, the others wait until the one before them is gone (etcd `client/v3/concurrency`).
struct Contest: Sendable {
    /// The lease of who brings none: a minute, as etcd's sessions.
    private static let leaseTTL: Int64 = 60

    struct Place: Sendable {
        var key: Key
        var lease: Int64
        /// When the key came to be: the order of the queue.
        var created: Revision
        /// What the key already held; nil when it was put now.
        var heldBefore: Entry?
        var revision: Revision
    }

    let store: Chainfire
    /// With the slash at its end.
    let prefix: Key

    init(_ store: Chainfire, name: some Sequence<UInt8>) {
        self.store = store
        prefix = Key(Array(name) + [UInt8(ascii: "/")])
    }

    /// Takes a place in the queue, or finds the one that this lease already has.
    func enter(value: [UInt8], lease given: Int64) async throws -> Place {
        let lease = given != 0 ? given : try await store.grantLease(id: 0, ttl: Self.leaseTTL).id
        let key = Key(prefix.bytes + Array(String(lease, radix: 16).utf8))
        let done = try await store.commit(Transaction(
            if: [Compare(key, .equal, .createRevision(0))], then: [.put(key, value, lease: lease)],
            otherwise: [.range(RangeRequest(.single(key)))]))
        if done.succeeded { return Place(key: key, lease: lease, created: done.revision, revision: done.revision) }
        guard case .range(let found)? = done.results.first, let entry = found.entries.first else {
            preconditionFailure("a key that is there was not found in the same transaction")
        }
        return Place(key: key, lease: lease, created: entry.createRevision, heldBefore: entry, revision: done.revision)
    }

    /// Returns when nobody is before this place any more, with the revision at which that was seen. When the task is
    /// cancelled first, the place is given up.
    func waitForTurn(_ place: Place) async throws -> Revision {
        do {
            while true {
                var request = RangeRequest(.prefix(prefix), limit: 1, keysOnly: true)
                request.maxCreate = place.created - 1
                request.sort = RangeRequest.Sort(.descending, by: .createRevision)
                let before = try await store.range(request)
                guard let last = before.entries.first else { return before.revision }
                try await waitForDelete(of: last.key, after: before.revision)
            }
        } catch {
            leave(place)
            throw error
        }
    }

    /// The lease may have ended while its place was waited for, and who waited may have gone: then the place is given up, for nobody knows that
    /// it has it.
    func confirm(_ place: Place, orThrow expired: GRPCStatus) async throws {
        do {
            guard try await store.get(place.key)?.createRevision == place.created else { throw expired }
            try Task.checkCancellation()
        } catch {
            leave(place)
            throw error
        }
    }

    /// Gives the place up without waiting for the answer; the lease ends it otherwise. One that another call of the same lease had taken
    /// is not given up where it holds what everybody waits for: that call was answered, perhaps.
    func leave(_ place: Place) {
        let isThere = Compare(place.key, .equal, .createRevision(place.created))
        let going = Transaction(if: [isThere], then: [.delete(place.key)])
        guard place.heldBefore != nil else { return store.commit(going) { _ in } }
        let isFirst = Compare(allOf: .prefix(prefix), .greater, .createRevision(place.created - 1))
        store.commit(Transaction(if: [isFirst], then: [], otherwise: [.transaction(going)])) { _ in }
    }

    /// Who came first, with the revision of the look; nil: nobody is there.
    func first() async throws -> (entry: Entry?, revision: Revision) {
        var request = RangeRequest(.prefix(prefix), limit: 1)
        request.sort = RangeRequest.Sort(.ascending, by: .createRevision)
        let found = try await store.range(request)
        return (found.entries.first, found.revision)
    }

    private func waitForDelete(of key: Key, after revision: Revision) async throws {
        for try await batch in try await store.watch(.single(key), from: revision + 1) {
            if batch.events.contains(where: \.isDelete) { return }
        }
        // The watch ends without an error only when this task is cancelled.
        throw CancellationError()
    }
}

extension Event {
    var isDelete: Bool {
        if case .delete = self { true } else { false }
    }
}
