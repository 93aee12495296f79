import Store

/// Decides what each watcher is told next. The newest events lie in one ring for all watchers; each
/// watcher is only a range and a position, so that a slow one costs nothing and holds up nobody.
/// What fell off the ring is still in the history on disk.
struct WatchHub: Sendable {
    struct Limits: Sendable {
        var eventsMax = 16_384
        var bytesMax = 16 << 20
        /// A batch ends with the revision in which it exceeds this.
        var batchEventsMax = 1_000
    }

    enum Glance: Sendable {
        case batch(WatchBatch)
        /// Nothing for this range up to here.
        case nothing(through: Revision)
        /// The position is older than the ring, which begins at `ringStart`.
        case older(ringStart: Revision)
    }

    private struct Moment: Sendable {
        var revision: Revision
        var events: [Event]
        var bytes: Int
    }

    let limits: Limits
    /// Everything up to here was told.
    private(set) var revision: Revision
    /// Every revision after this is in the ring, if it changed anything.
    private var fallenOff: Revision
    private var ring = Fifo<Moment>()
    private var ringEvents = 0
    private var ringBytes = 0
    private var waiting: [UInt64: KeyRange] = [:]

    init(revision: Revision, limits: Limits = Limits()) {
        self.revision = revision
        self.limits = limits
        fallenOff = revision
    }

    /// The first revision that the ring can tell of.
    var ringStart: Revision { fallenOff + 1 }

    /// Takes in a whole revision.
    /// - Returns: the waiters to wake, in the order they came; they do not wait any more.
    mutating func tell(_ revision: Revision, _ events: [Event]) -> [UInt64] {
        precondition(revision > self.revision, "revision \(revision) after \(self.revision)")
        self.revision = revision
        let bytes = events.reduce(0) { $0 + $1.approximateBytes }
        ring.append(Moment(revision: revision, events: events, bytes: bytes))
        ringEvents += events.count
        ringBytes += bytes
        while ringEvents > limits.eventsMax || ringBytes > limits.bytesMax, let gone = ring.popFirst() {
            ringEvents -= gone.events.count
            ringBytes -= gone.bytes
            fallenOff = gone.revision
        }
        guard !waiting.isEmpty else { return [] }
        let awake = waiting.filter { waiter in events.contains { waiter.value.contains($0.key) } }.keys.sorted()
        for waiter in awake { waiting[waiter] = nil }
        return awake
    }

    /// What a watcher at `position`, the first revision it was not told of, is told next.
    func look(_ range: KeyRange, from position: Revision, compacted: Revision) -> Glance {
        guard position <= revision else { return .nothing(through: position - 1) }
        guard position > fallenOff else { return .older(ringStart: ringStart) }
        var batch = WatchBatch(revision: revision, events: [])
        for place in partition(ring.count, { ring[$0].revision >= position })..<ring.count {
            let moment = ring[place]
            for event in moment.events where range.contains(event.key) {
                batch.events.append(moment.revision > compacted ? event : event.withoutPrevious)
            }
            if batch.events.count >= limits.batchEventsMax {
                batch.revision = moment.revision
                break
            }
        }
        return batch.events.isEmpty ? .nothing(through: revision) : .batch(batch)
    }

    /// From now on `tell` wakes this waiter when the range changes. It must have been told all there is.
    mutating func wait(_ waiter: UInt64, for range: KeyRange) { waiting[waiter] = range }

    mutating func leave(_ waiter: UInt64) { waiting[waiter] = nil }
}

extension Event {
    /// Enough to keep the ring's memory bounded.
    fileprivate var approximateBytes: Int {
        switch self {
        case .put(let entry, let previous): entry.value.count + (previous?.value.count ?? 0) + key.bytes.count + 200
        case .delete(_, _, let previous): (previous?.value.count ?? 0) + key.bytes.count + 200
        }
    }

    /// What a key held before the compaction is forgotten.
    fileprivate var withoutPrevious: Event {
        switch self {
        case .put(let entry, _): .put(entry, previous: nil)
        case .delete(let key, let revision, _): .delete(key, modRevision: revision, previous: nil)
        }
    }
}
