import Store
import Synchronization

extension Machine {
    /// How many bytes of old history a watcher is told at a time.
    private static let historyBytesMax = 1 << 20

    /// Opens a watcher.
    /// - Parameters:
    ///   - revision: the first to tell of; nil or less than 1 is "after now". It may lie in the future.
    ///   - listener: is told the tag, on any thread, when `next` may have something after it had all there was.
    /// - Throws: `.compacted` when that history is gone.
    package func openWatcher(
        _ range: KeyRange, from revision: Revision?, options: WatcherOptions = WatcherOptions(), listener: any WatchListener,
        tag: UInt64 = 0
    ) throws(StoreError) -> Watcher {
        let interest = Interest(range, options)
        let (number, position) = try state.withLock { state throws(StoreError) in
            guard !state.isStopped else { throw .unavailable(Self.stopped) }
            var position = state.keyspace.revision + 1
            if let revision, revision > 0 {
                guard revision >= state.keyspace.compacted else { throw .compacted(oldest: state.keyspace.compacted) }
                position = revision
            }
            let number = state.hub.join(interest)
            state.listeners.set(Listening(listener: listener, tag: tag), for: number)
            return (number, position)
        }
        return Watcher(self, number: number, interest, from: position)
    }

    func leave(_ watcher: UInt64) {
        let listening = state.withLock { state in
            state.hub.leave(watcher)
            return state.listeners.remove(watcher)
        }
        // What it holds is let go outside the lock: it may be another watcher.
        withExtendedLifetime(listening) {}
    }

    func signal(_ watcher: UInt64) {
        guard let listening = state.withLock({ $0.listeners[watcher] }) else { return }
        listening.listener.ready([listening.tag])
    }

    /// Revisions that may be looked through under one lock before it is let go.
    private static let looksMax = 16_384

    /// What some watchers are told next, under one lock, until that is more than `bytesMax` or took long to find.
    /// - Returns: of the first of them, at least one.
    func look(_ watchers: [(number: UInt64, from: Revision)], bytesMax: Int) -> [Result<WatchHub.Glance, StoreError>] {
        state.withLock { state in
            var found: [Result<WatchHub.Glance, StoreError>] = []
            found.reserveCapacity(watchers.count)
            var bytes = 0
            let looked = state.hub.looked
            for (number, from) in watchers {
                guard found.isEmpty || bytes <= bytesMax && state.hub.looked - looked <= Self.looksMax else { break }
                let glance = Result { () throws(StoreError) in try state.look(number, from: from) }
                if case .success(.page(let page, _)) = glance { bytes += page.approximateBytes }
                found.append(glance)
            }
            return found
        }
    }

    /// The store's revision, when all these watchers were given everything up to it; nil while something is not
    /// given out yet: a notice of progress must not pass it (etcd #15220).
    package func progress(of watchers: [Watcher]) -> Revision? {
        state.withLock { state in
            watchers.allSatisfy { state.hub.progress(of: $0.number) != nil } ? state.hub.revision : nil
        }
    }

    /// What fell off the ring. Events may be empty: then nothing concerned the watcher.
    func history(_ interest: Interest, from position: Revision, to ringStart: Revision) throws(StoreError) -> WatchPage {
        do {
            var (changes, through): ([Change], Revision) = ([], ringStart - 1)
            let stored = try state.withLock { state throws(StoreError) in
                guard !state.isStopped else { throw .unavailable(Self.stopped) }
                guard position >= state.keyspace.compacted else { throw .compacted(oldest: state.keyspace.compacted) }
                if position > state.stored {
                    (changes, through) = state.backlog.rows(of: position..<ringStart, bytesMax: Self.historyBytesMax)
                }
                return state.stored
            }
            if position <= stored {
                (changes, through) = try storage.history(
                    from: position, to: min(ringStart, stored + 1), bytesMax: Self.historyBytesMax)
            }
            var events: [Event] = []
            for change in changes where interest.range.contains(change.key) {
                let event = change.event(previous: try previous(of: change))
                if interest.allows(event) { events.append(event) }
            }
            // A compaction may have passed by while this was read, and some of it may be missing.
            let compacted = state.withLock { $0.keyspace.compacted }
            guard position >= compacted else { throw StoreError.compacted(oldest: compacted) }
            return WatchPage(revision: through, events: events)
        } catch {
            throw error as? StoreError ?? .unavailable("\(error)")
        }
    }

    private func previous(of change: Change) throws -> Entry? {
        let (id, waiting): (ChangeID?, Change?) = state.withLock { state in
            guard change.id.revision > state.keyspace.compacted, let id = state.keyspace.predecessor(of: change.id, change.key)
            else { return (nil, nil) }
            return (id, state.backlog[id])
        }
        if let waiting { return waiting.entry }
        return try id.flatMap { try storage.load($0)?.entry }
    }
}

extension Machine.State {
    fileprivate mutating func look(_ watcher: UInt64, from position: Revision) throws(StoreError) -> WatchHub.Glance {
        guard !isStopped else { throw .unavailable(Machine.stopped) }
        let compacted = keyspace.compacted
        let glance = hub.look(watcher, from: position, compacted: compacted)
        // Who knows everything outlives any compaction.
        if case .nothing = glance { return glance }
        guard position >= compacted || hub.isWoken(watcher, since: compacted) else { throw .compacted(oldest: compacted) }
        return glance
    }
}
