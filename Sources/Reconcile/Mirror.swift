import Host
import Logging
import Manifest
import Resource
import ServiceLifecycle
import Store
import Synchronization

/// A record that came, changed or went.
package struct LedgerChange: Sendable {
    package var reference: Reference
    package var before: (any AnyResource)?
    package var after: (any AnyResource)?
    /// Nothing changed: somebody wants the object looked at.
    package var isRequest = false

    /// What is stored there cannot be read, or could not be until now.
    package var isAboutUnreadable = false

    /// Only the controller's own status differs: nothing the controller itself must react to.
    package var isStatusOnly: Bool {
        guard let before, let after else { return false }
        var (a, b) = (before.metadata, after.metadata)
        a.resourceVersion = nil
        b.resourceVersion = nil
        return a == b && before.hasSameSpec(as: after)
    }
}

/// Keeps a `Ledger` of everything in the store by watching it: one decoding of each change, shared
/// by all loops.
package final class Mirror: Service {
    private struct State {
        var ledger = Ledger()
        var isSynced = false
        var isStopped = false
        var listeners = Listeners<LedgerChange>()
    }

    private struct Waiter {
        var revision: Int64
        var continuation: CheckedContinuation<Void, Never>
    }

    private let store: any Store
    private let kindsByPlural: [String: AnyKind]
    private let time: any Time
    private let logger: Logger
    private let state = Mutex(State())
    /// By number. Apart from the state, under whose lock others are told: cancellation takes this one.
    private let waiters = Mutex<(next: Int, waiting: [Int: Waiter])>((0, [:]))

    package init(store: any Store, kinds: KindTable, time: any Time, logger: Logger) {
        self.store = store
        kindsByPlural = Dictionary(uniqueKeysWithValues: kinds.all.map { ($0.plural, $0) })
        self.time = time
        self.logger = logger
    }

    package var ledger: Ledger { state.withLock { $0.ledger } }
    package var isSynced: Bool { state.withLock { $0.isSynced } }

    /// Everything known now, then every change, without a gap between the two.
    package func changes() -> AsyncStream<LedgerChange> {
        state.withLock { state in
            state.listeners.add(first: state.ledger.all.map { LedgerChange(reference: $0.reference, before: nil, after: $0) })
        }
    }

    /// Returns once the ledger shows the change under `/registry/` that was committed at `revision`,
    /// or when the mirror has stopped or the task is cancelled.
    package func caughtUp(to revision: Int64) async {
        if isThere(revision) { return }
        let number = waiters.withLock { waiters in
            waiters.next += 1
            return waiters.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiters.withLock { $0.waiting[number] = Waiter(revision: revision, continuation: continuation) }
                // What came before it waited woke nobody.
                if isThere(revision) || Task.isCancelled { wake(number) }
            }
        } onCancel: {
            wake(number)
        }
    }

    private func isThere(_ revision: Int64) -> Bool { state.withLock { $0.isStopped || $0.ledger.revision >= revision } }

    private func wake(_ number: Int) { waiters.withLock { $0.waiting.removeValue(forKey: number) }?.continuation.resume() }

    private func wakeAll(upTo revision: Int64) {
        let ready = waiters.withLock { waiters in
            let ready = waiters.waiting.filter { $0.value.revision <= revision }
            for number in ready.keys { waiters.waiting[number] = nil }
            return ready
        }
        for waiter in ready.values { waiter.continuation.resume() }
    }

    /// Returns once the ledger shows `revision`, or after this long: other writers' revisions may
    /// never show here.
    package func caughtUp(to revision: Int64, orFor limit: Duration) async {
        let deadline = time.now() + limit
        while ledger.revision < revision, time.now() < deadline {
            do { try await time.sleep(for: .milliseconds(2)) } catch { return }
        }
    }

    /// Asks the object's controller to look at it now.
    package func lookAgain(at reference: Reference) {
        state.withLock { state in
            let record = state.ledger[reference]
            state.listeners.tell(LedgerChange(reference: reference, before: record, after: record, isRequest: true))
        }
    }

    package func run() async throws {
        var failures = Failures()
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            do {
                try await cancelWhenGracefulShutdown { try await self.follow() }
                break
            } catch let error as StoreError {
                let now = time.now()
                let (pause, isTold) = failures.note("\(error)", at: now)
                if isTold { logger.warning("the watch of the store broke; reading it anew", metadata: ["error": "\(error)"]) }
                try? await cancelWhenGracefulShutdown { try await self.time.sleep(for: pause) }
            } catch is CancellationError {
                break
            }
        }
        state.withLock { state in
            state.isStopped = true
            state.listeners.finish()
        }
        wakeAll(upTo: .max)
    }

    /// A store that stays away is asked less and less often, and told of once a minute.
    private struct Failures {
        private var count = 0
        private var last: Instant?
        private var told: (error: String, at: Instant)?

        mutating func note(_ error: String, at now: Instant) -> (pause: Duration, isTold: Bool) {
            // What had gone well for a while is another matter.
            if let last, now - last > .seconds(30) { (count, told) = (0, nil) }
            (last, count) = (now, count + 1)
            let isTold = told.map { $0.error != error || now - $0.at >= .seconds(60) } ?? true
            if isTold { told = (error, now) }
            return (min(.milliseconds(100) * (1 << min(count - 1, 6)), .seconds(5)), isTold)
        }
    }

    /// What is stored under a key.
    private enum Stored: Sendable {
        case record(any AnyResource)
        /// `owner`: the uid, where at least that can be read.
        case unreadable(why: String, owner: String?)
        case nothing
    }

    private func follow() async throws {
        // Events are watched too, and passed over: a write that holds nothing else must be caught up with.
        let prefix = KeyRange.prefix(Key(Registry.root))
        let snapshot = try await store.range(RangeRequest(.prefix(Key(Registry.objects))))
        let records = await decoded(snapshot.entries)
        let present = Set(records.map(\.0))
        let gone = state.withLock { ($0.ledger.all.map(\.reference) + $0.ledger.unreadableReferences).filter { !present.contains($0) } }
        take(records + gone.map { ($0, .nothing) }, revision: snapshot.revision)
        state.withLock { $0.isSynced = true }
        for try await batch in try await store.watch(prefix, from: snapshot.revision + 1) {
            take(batch.events.compactMap { event in
                switch event {
                case .put(let entry, _): return read(entry)
                case .delete(let key, _, _): return place(key).map { ($0.reference, .nothing) }
                }
            }, revision: batch.revision)
        }
    }

    /// Decoding is most of a start: it is spread over the processors.
    private func decoded(_ entries: [Entry]) async -> [(Reference, Stored)] {
        await withTaskGroup(of: (start: Int, records: [(Reference, Stored)]).self) { group in
            for start in stride(from: 0, to: entries.count, by: 256) {
                let part = entries[start ..< min(start + 256, entries.count)]
                group.addTask { (start, part.compactMap { self.read($0) }) }
            }
            var parts: [(start: Int, records: [(Reference, Stored)])] = []
            for await part in group { parts.append(part) }
            return parts.sorted { $0.start < $1.start }.flatMap(\.records)
        }
    }

    private func take(_ changes: [(Reference, Stored)], revision: Int64) {
        state.withLock { state in
            for (reference, stored) in changes {
                let before = state.ledger[reference]
                var after: (any AnyResource)?
                let wasUnreadable = state.ledger.whyUnreadable(reference) != nil
                switch stored {
                case .record(let record):
                    if before?.metadata.resourceVersion == record.metadata.resourceVersion { continue }
                    after = record
                    state.ledger[reference] = record
                case .unreadable(let why, let owner): state.ledger.note(unreadable: reference, why: why, ownerUID: owner)
                case .nothing: state.ledger[reference] = nil
                }
                // Where nothing was known and nothing is, somebody may wait for a key that cannot be read.
                let isUnreadable = state.ledger.whyUnreadable(reference) != nil
                if before == nil, after == nil, wasUnreadable == isUnreadable { continue }
                state.listeners.tell(LedgerChange(
                    reference: reference, before: before, after: after, isAboutUnreadable: wasUnreadable || isUnreadable))
            }
            state.ledger.revision = max(state.ledger.revision, revision)
        }
        wakeAll(upTo: revision)
    }

    private func place(_ key: Key) -> (reference: Reference, kind: AnyKind)? {
        guard let place = Registry.parse(key.description), let kind = kindsByPlural[place.plural] else { return nil }
        return (Reference(kind: kind.name, name: place.name), kind)
    }

    private func read(_ entry: Entry) -> (Reference, Stored)? {
        guard let (reference, kind) = place(entry.key) else { return nil }
        do {
            let record = try kind.decode(entry.value, entry.modRevision)
            if record.reference == reference { return (reference, .record(record)) }
            return unreadable(entry, reference, why: "it says that it is \(record.reference)")
        } catch {
            return unreadable(entry, reference, why: (error as? UnreadableRecord)?.why ?? "\(error)")
        }
    }

    private func unreadable(_ entry: Entry, _ reference: Reference, why: String) -> (Reference, Stored) {
        logger.error("a stored record cannot be read and is left alone", metadata: ["key": "\(entry.key)", "error": "\(why)"])
        let owner = (try? JSON(parsing: entry.value))?.at("metadata.ownerReferences[0].uid")?.string
        return (reference, .unreadable(why: why, owner: owner))
    }
}
