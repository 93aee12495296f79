import Store
import Testing
@testable import Chainfire

struct WatchHubTests {
    private func put(_ key: Key, _ revision: Revision) -> Event {
        .put(Entry(key: key, value: [], createRevision: revision, modRevision: revision, version: 1), previous: nil)
    }

    private func hub(_ limits: WatchHub.Limits = .init(), _ ranges: KeyRange...) -> WatchHub {
        var hub = WatchHub(revision: 1, limits: limits)
        for range in ranges { _ = hub.join(Interest(range)) }
        return hub
    }

    private func revisions(_ glance: WatchHub.Glance) -> [Revision]? {
        if case .page(let page, _) = glance { page.events.map(\.revision) } else { nil }
    }

    /// Lets the watcher rest, which must have been told everything.
    private func rest(_ hub: inout WatchHub, _ watcher: UInt64) {
        guard case .nothing = hub.look(watcher, from: hub.revision + 1, compacted: 0) else {
            Issue.record("there is something for \(watcher)")
            return
        }
    }

    @Test func `only the waiters whose range changed wake, each once, in the order they came`() {
        var hub = hub(.init(), .all, .prefix("a"), .prefix("b"), .all)
        for watcher: UInt64 in [3, 1, 0, 2] { rest(&hub, watcher) }
        var woken = hub.tell(2, [put("a", 2), put("ab", 2)])
        #expect(woken == [3, 0, 1])
        woken = hub.tell(3, [put("a", 3)])
        #expect(woken == [])
        hub.leave(2)
        woken = hub.tell(4, [put("b", 4)])
        #expect(woken == [])
    }

    @Test func `a place is used again, a number is not`() {
        var hub = hub(.init(), .all, .prefix("a"))
        hub.leave(0)
        hub.leave(0)
        #expect(hub.memberCount == 1 && hub.groupCount == 1)
        let fresh = hub.join(Interest(.prefix("b")))
        #expect(WatchHub.place(of: fresh) == 0 && fresh != 0)
        hub.leave(0)
        rest(&hub, fresh)
        let woken = hub.tell(2, [put("a", 2), put("b", 2)])
        #expect(woken == [fresh], "1 has not looked yet, and 0 is gone")
        #expect(hub.watchers == [fresh, 1])
    }

    @Test func `who left while it waited is not woken, and nothing of it stays`() {
        var hub = WatchHub(revision: 1)
        let watchers = (0..<100).map { _ in hub.join(Interest(.all)) }
        for watcher in watchers { rest(&hub, watcher) }
        for watcher in watchers.prefix(80) { hub.leave(watcher) }
        // Some of the places are taken by others, who have not looked yet.
        let others = (0..<10).map { _ in hub.join(Interest(.all)) }
        let woken = hub.tell(2, [put("a", 2)])
        #expect(woken == Array(watchers.dropFirst(80)))
        for watcher in watchers.dropFirst(80) + others { #expect(revisions(hub.look(watcher, from: 2, compacted: 0)) == [2]) }
        for watcher in watchers.dropFirst(80) + others { hub.leave(watcher) }
        #expect(hub.memberCount == 0 && hub.groupCount == 0 && hub.watchers.isEmpty)
        let constant = hub.join(Interest(.all))
        for _ in 0..<10_000 {
            let passing = hub.join(Interest(.all))
            rest(&hub, passing)
            hub.leave(passing)
        }
        #expect(hub.waitingCount < 100)
        rest(&hub, constant)
        let last = hub.tell(3, [put("a", 3)])
        #expect(last == [constant])
    }

    @Test func `who was given all there is waits for the next`() {
        var hub = hub(.init(batchEventsMax: 1), .all)
        for revision: Revision in 2...3 { _ = hub.tell(revision, [put("a", revision)]) }
        guard case .page(let first, isLast: false) = hub.look(0, from: 2, compacted: 0) else {
            Issue.record("2 is not all there is")
            return
        }
        #expect(first.revision == 2 && hub.progress(of: 0) == nil)
        guard case .page(let last, isLast: true) = hub.look(0, from: 3, compacted: 0) else {
            Issue.record("3 is the last")
            return
        }
        #expect(last.revision == 3 && hub.progress(of: 0) == 3)
        let woken = hub.tell(4, [put("a", 4)])
        #expect(woken == [0])
        #expect(revisions(hub.look(0, from: 4, compacted: 0)) == [4])
    }

    @Test func `who wants no puts sleeps through them`() {
        var hub = WatchHub(revision: 1)
        let seven = hub.join(Interest(.all, WatcherOptions(noPut: true)))
        rest(&hub, seven)
        var woken = hub.tell(2, [put("a", 2)])
        #expect(woken == [])
        woken = hub.tell(3, [.delete("a", modRevision: 3, previous: nil)])
        #expect(woken == [seven])
        #expect(revisions(hub.look(seven, from: 2, compacted: 0)) == [3])
    }

    @Test func `a full ring lets the oldest revision go whole, and says where it begins`() {
        var hub = hub(.init(eventsMax: 4), .all)
        for revision: Revision in 2...6 { _ = hub.tell(revision, [put("a", revision), put("b", revision)]) }
        #expect(hub.ringStart == 5)
        guard case .older(let from, let start) = hub.look(0, from: 4, compacted: 0) else {
            Issue.record("4 is not in the ring any more")
            return
        }
        #expect((from, start) == (4, 5))
        #expect(revisions(hub.look(0, from: 5, compacted: 0)) == [5, 5, 6, 6])
    }

    @Test func `a watcher that knew everything before a snapshot goes on after it, whatever was compacted of its sleep`() {
        var hub = hub(.init(), .all, .all)
        _ = hub.tell(2, [put("a", 2)])
        _ = revisions(hub.look(0, from: 2, compacted: 0))
        rest(&hub, 0)
        let awake = hub.restart(at: 50)
        #expect(awake == [0])
        // Where it stood is compacted; of what it was not told only what comes after 2 counts.
        guard case .older(let from, let start) = hub.look(0, from: 1, compacted: 3) else {
            Issue.record("the ring is empty")
            return
        }
        #expect((from, start) == (3, 51))
        #expect(hub.isWoken(0, since: 3) && !hub.isWoken(0, since: 4))
        #expect(!hub.isWoken(1, since: 3), "this one was not told all there was")
    }

    @Test func `a ring too small for one revision still keeps the order`() {
        var hub = hub(.init(eventsMax: 1), .all)
        _ = hub.tell(2, [put("a", 2), put("b", 2)])
        #expect(hub.ringStart == 3)
        guard case .older(_, _) = hub.look(0, from: 2, compacted: 0) else {
            Issue.record("2 is not in the ring")
            return
        }
    }

    @Test func `a page ends with a whole revision`() {
        var hub = hub(.init(batchEventsMax: 3), .all)
        for revision: Revision in 2...5 { _ = hub.tell(revision, [put("a", revision), put("b", revision)]) }
        guard case .page(let page, _) = hub.look(0, from: 2, compacted: 0) else {
            Issue.record("no page")
            return
        }
        #expect(page.revision == 3)
        #expect(page.events.map(\.revision) == [2, 2, 3, 3])
        #expect(revisions(hub.look(0, from: 4, compacted: 0)) == [4, 4, 5, 5])
    }

    @Test func `watchers that want the same and are equally far are given one page`() {
        var hub = hub(.init(), .prefix("a"), .prefix("a"), .prefix("b"))
        for watcher: UInt64 in 0...2 { rest(&hub, watcher) }
        _ = hub.tell(2, [put("a", 2)])
        guard case .page(let one, _) = hub.look(0, from: 2, compacted: 0), case .page(let other, _) = hub.look(1, from: 2, compacted: 0)
        else {
            Issue.record("no page")
            return
        }
        #expect(one === other)
        var made = 0
        for page in [one, other] {
            #expect(page.encoded(3) { made += 1; return [9] } == [9])
        }
        #expect(made == 1)
    }

    @Test func `nothing for the range says how far that is known`() {
        var hub = hub(.init(), .prefix("b"), .all)
        _ = hub.tell(2, [put("a", 2)])
        #expect(hub.progress(of: 0) == nil)
        guard case .nothing(let through) = hub.look(0, from: 2, compacted: 0) else {
            Issue.record("there is nothing about b")
            return
        }
        #expect(through == 2)
        #expect(hub.progress(of: 0) == 2)
        #expect(hub.progress(of: 1) == nil)
        guard case .nothing(let before) = hub.look(1, from: 9, compacted: 0) else {
            Issue.record("9 has not happened")
            return
        }
        #expect(before == 8)
    }

    @Test func `a watcher that slept while the ring went by is told from where it woke`() {
        var hub = hub(.init(eventsMax: 2), .prefix("b"))
        rest(&hub, 0)
        for revision: Revision in 2...20 { _ = hub.tell(revision, [put("a", revision)]) }
        let woken = hub.tell(21, [put("b", 21)])
        #expect(woken == [0])
        #expect(revisions(hub.look(0, from: 2, compacted: 0)) == [21])
    }

    @Test func `what a key held before the compaction is not told`() {
        var hub = hub(.init(), .all)
        let before = Entry(key: "a", value: [1], createRevision: 1, modRevision: 1, version: 1)
        _ = hub.tell(2, [.delete("a", modRevision: 2, previous: before)])
        _ = hub.tell(3, [.delete("a", modRevision: 3, previous: before)])
        guard case .page(let page, _) = hub.look(0, from: 2, compacted: 2) else {
            Issue.record("no page")
            return
        }
        #expect(page.events == [
            .delete("a", modRevision: 2, previous: nil), .delete("a", modRevision: 3, previous: before),
        ])
    }

    @Test(arguments: 1...10) func `the index finds exactly the groups that hold a key`(seed: Int) {
        var dice = SeededDice(UInt64(seed))
        var index = WatchIndex()
        var model: [Int: KeyRange] = [:]
        func key() -> Key { Key("\(Int.random(in: 0..<300, using: &dice))") }
        for step in 0..<3_000 {
            if Int.random(in: 0..<3, using: &dice) == 0, let gone = model.keys.sorted().randomElement(using: &dice),
                let range = model.removeValue(forKey: gone)
            {
                index.remove(range, gone)
            } else {
                let range: KeyRange = switch Int.random(in: 0..<5, using: &dice) {
                case 0: .single(key())
                case 1: .prefix(key())
                case 2: KeyRange(lower: key(), upper: nil)
                case 3: KeyRange(lower: key(), upper: key())
                default: .all
                }
                // Most groups are many; endless ones are few.
                if range.upper != nil || step % 50 == 0 {
                    model[step] = range
                    index.insert(range, step)
                }
            }
            guard step % 20 == 0 else { continue }
            let asked = key()
            var found: [Int] = []
            index.forEach(holding: asked) { found.append($0) }
            let wanted = model.filter { $0.value.contains(asked) }.keys.sorted()
            #expect(found.sorted() == wanted, "seed \(seed) step \(step): \(asked)")
        }
    }
}
