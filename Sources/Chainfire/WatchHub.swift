import Store

/// Decides what each watcher is told next. The newest events lie in one ring for all watchers; each
/// watcher is only an interest and a position, so that a slow one costs nothing and holds up nobody.
/// What fell off the ring is still in the history on disk.
///
/// Watchers with the same interest are one group: a change looks for groups, and what one of them is
/// told is made once for all that are equally far.
package struct WatchHub: Sendable {
    package struct Limits: Sendable {
        package var eventsMax = 16_384
        package var bytesMax = 16 << 20
        /// A page ends with the revision in which it exceeds one of these.
        package var batchEventsMax = 1_000
        package var batchBytesMax = 1 << 20
    }

    enum Glance: Sendable {
        /// The last is all there is for now, and the watcher waits.
        case page(WatchPage, isLast: Bool)
        /// Nothing for this watcher up to here; it waits now.
        case nothing(through: Revision)
        /// The first revision that may concern it is older than the ring, which begins at `ringStart`.
        case older(from: Revision, ringStart: Revision)
    }

    private struct Moment: Sendable {
        var revision: Revision
        var events: [Event]
        var bytes: Int
    }

    private struct Group: Sendable {
        var interest: Interest
        var members = 0
        /// Those who know all there is, in the order they came, and some who left since.
        var waiting: [UInt64] = []
        var departed = 0
        /// The last pages made and where they begin.
        var pages: [(from: Revision, page: WatchPage)] = []
    }

    private struct Member: Sendable {
        var number: UInt64
        var group: Int
        var isWaiting = false
        /// Nothing before this concerned it since it began to wait.
        var wokenAt: Revision = 0

        mutating func wake(at revision: Revision) {
            isWaiting = false
            wokenAt = revision
        }
    }

    let limits: Limits
    /// Everything up to here was told.
    private(set) var revision: Revision
    /// Every revision after this is in the ring, if it changed anything.
    private var fallenOff: Revision
    private var ring = Fifo<Moment>()
    /// Revisions of the ring that were looked through, ever: what pages cost.
    private(set) var looked = 0
    private var ringEvents = 0
    private var ringBytes = 0
    private var groups = Places<Group>()
    private var groupOf: [Interest: Int] = [:]
    private var index = WatchIndex()
    private var members = Places<Member>()
    /// How often each member's place was used before.
    private var uses: ContiguousArray<UInt64> = []

    init(revision: Revision, limits: Limits = Limits()) {
        self.revision = revision
        self.limits = limits
        fallenOff = revision
    }

    /// The first revision that the ring can tell of.
    var ringStart: Revision { fallenOff + 1 }
    var memberCount: Int { members.count }
    /// Of all that are there, in the order of their places.
    var watchers: [UInt64] { members.indices.compactMap { members[$0]?.number } }
    var groupCount: Int { groups.count }
    /// Numbers that are kept among those who wait.
    var waitingCount: Int { groups.indices.reduce(0) { $0 + (groups[$1]?.waiting.count ?? 0) } }

    /// - Returns: the watcher's number, which no other has had: its lower half is its place among those that are there.
    mutating func join(_ interest: Interest) -> UInt64 {
        let group = groupOf[interest] ?? {
            let number = groups.add(Group(interest: interest))
            groupOf[interest] = number
            index.insert(interest.range, number)
            return number
        }()
        groups[group]?.members += 1
        let place = members.add(Member(number: 0, group: group))
        if place == uses.count { uses.append(0) } else { uses[place] &+= 1 }
        let number = uses[place] << 32 | UInt64(place)
        members[place]?.number = number
        return number
    }

    static func place(of watcher: UInt64) -> Int { Int(truncatingIfNeeded: watcher & 0xFFFF_FFFF) }

    private func member(_ watcher: UInt64) -> Member? {
        guard let member = members[Self.place(of: watcher)], member.number == watcher else { return nil }
        return member
    }

    mutating func leave(_ watcher: UInt64) {
        guard let member = member(watcher) else { return }
        members.remove(Self.place(of: watcher))
        if member.isWaiting { depart(from: member.group) }
        groups[member.group]?.members -= 1
        guard let group = groups[member.group], group.members == 0 else { return }
        groups.remove(member.group)
        groupOf[group.interest] = nil
        index.remove(group.interest.range, member.group)
    }

    /// One who waited has left. Its number stays among the waiting until half of them are such: when a stream of many watchers
    /// ends, none of them is looked for.
    private mutating func depart(from group: Int) {
        groups[group]?.departed += 1
        guard let found = groups[group], found.departed > 32, found.departed * 2 > found.waiting.count else { return }
        let left = found.waiting.filter { member($0) != nil }
        groups[group]?.waiting = left
        groups[group]?.departed = 0
    }

    /// Takes in a whole revision.
    /// - Returns: the watchers to wake, group by group in the order they came; they do not wait any more.
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
        guard members.count > 0 else { return [] }
        var hit: Set<Int> = []
        for event in events {
            index.forEach(holding: event.key) { group in
                if groups[group].map({ !$0.waiting.isEmpty && $0.interest.allows(event) }) ?? false { hit.insert(group) }
            }
        }
        var awake: [UInt64] = []
        for group in hit.sorted() { awake += wake(group, at: revision) }
        return awake
    }

    private mutating func wake(_ group: Int, at revision: Revision) -> [UInt64] {
        guard let found = groups[group] else { return [] }
        groups[group]?.waiting = []
        groups[group]?.departed = 0
        let awake = found.departed == 0 ? found.waiting : found.waiting.filter { member($0) != nil }
        for watcher in awake { members[Self.place(of: watcher)]?.wake(at: revision) }
        return awake
    }

    /// What a watcher at `position`, the first revision it was not told of, is told next. After all there is, or nothing, it
    /// waits: `tell` will name it.
    mutating func look(_ watcher: UInt64, from position: Revision, compacted: Revision) -> Glance {
        guard let member = member(watcher) else { return .nothing(through: revision) }
        if member.isWaiting { return .nothing(through: max(revision, position - 1)) }
        let from = max(position, member.wokenAt)
        guard from <= revision else {
            rest(watcher, member.group)
            return .nothing(through: from - 1)
        }
        guard from > fallenOff else { return .older(from: from, ringStart: ringStart) }
        guard let page = page(for: member.group, from: from, compacted: compacted) else {
            rest(watcher, member.group)
            return .nothing(through: revision)
        }
        let isLast = page.revision == revision
        if isLast { rest(watcher, member.group) }
        return .page(page, isLast: isLast)
    }

    private mutating func rest(_ watcher: UInt64, _ group: Int) {
        members[Self.place(of: watcher)]?.isWaiting = true
        groups[group]?.waiting.append(watcher)
    }

    /// Made once for all of the group who are equally far. Nil: nothing concerns them.
    private mutating func page(for number: Int, from: Revision, compacted: Revision) -> WatchPage? {
        if let known = groups[number]?.pages.first(where: { $0.from == from }) { return known.page }
        guard let group = groups[number] else { return nil }
        let page = makePage(group.interest, from: from, compacted: compacted)
        guard !page.events.isEmpty else { return nil }
        if group.members > 1 {
            if group.pages.count >= 4 { groups[number]?.pages.removeFirst() }
            groups[number]?.pages.append((from, page))
        }
        return page
    }

    private mutating func makePage(_ interest: Interest, from position: Revision, compacted: Revision) -> WatchPage {
        var (events, bytes, through): ([Event], Int, Revision) = ([], 0, revision)
        for place in partition(ring.count, { ring[$0].revision >= position })..<ring.count {
            let moment = ring[place]
            looked += 1
            for event in moment.events where interest.wants(event) {
                events.append(moment.revision > compacted ? event : event.withoutPrevious)
                bytes += event.approximateBytes
            }
            if events.count >= limits.batchEventsMax || bytes >= limits.batchBytesMax {
                through = moment.revision
                break
            }
        }
        return WatchPage(revision: through, events: events)
    }

    /// Everything up to here was told to this watcher, or did not concern it; nil while something waits for it.
    func progress(of watcher: UInt64) -> Revision? { member(watcher)?.isWaiting == true ? revision : nil }

    /// Whether nothing before `revision` concerned this watcher since it was last told all there was.
    func isWoken(_ watcher: UInt64, since revision: Revision) -> Bool { (member(watcher)?.wokenAt ?? 0) >= revision }

    /// What lies before the new state may be gone: watchers go on from the history that is left. Forgets the pages
    /// made, which may hold what is compacted now.
    mutating func restart(at revision: Revision) -> [UInt64] {
        let known = self.revision
        self.revision = revision
        fallenOff = revision
        ring = Fifo()
        (ringEvents, ringBytes) = (0, 0)
        forgetPages()
        var awake: [UInt64] = []
        for group in groups.indices { awake += wake(group, at: known + 1) }
        return awake
    }

    mutating func forgetPages() {
        for group in groups.indices { groups[group]?.pages = [] }
    }
}

extension Event {
    /// Enough to keep the ring's memory bounded.
    var approximateBytes: Int {
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
