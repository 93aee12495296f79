import Store
import Testing
@testable import Chainfire

struct WatchHubTests {
    private func put(_ key: Key, _ revision: Revision) -> Event {
        .put(Entry(key: key, value: [], createRevision: revision, modRevision: revision, version: 1), previous: nil)
    }

    private func revisions(_ glance: WatchHub.Glance) -> [Revision]? {
        if case .batch(let batch) = glance { batch.events.map(\.revision) } else { nil }
    }

    @Test func `only the waiters whose range changed wake, each once, in the order they came`() {
        var hub = WatchHub(revision: 1)
        hub.wait(3, for: .prefix("a"))
        hub.wait(1, for: .all)
        hub.wait(2, for: .prefix("b"))
        var woken = hub.tell(2, [put("a", 2), put("ab", 2)])
        #expect(woken == [1, 3])
        woken = hub.tell(3, [put("a", 3)])
        #expect(woken == [])
        hub.leave(2)
        woken = hub.tell(4, [put("b", 4)])
        #expect(woken == [])
    }

    @Test func `a full ring lets the oldest revision go whole, and says where it begins`() {
        var hub = WatchHub(revision: 1, limits: .init(eventsMax: 4))
        for revision: Revision in 2...6 { _ = hub.tell(revision, [put("a", revision), put("b", revision)]) }
        #expect(hub.ringStart == 5)
        #expect(revisions(hub.look(.all, from: 5, compacted: 0)) == [5, 5, 6, 6])
        guard case .older(let start) = hub.look(.all, from: 4, compacted: 0) else {
            Issue.record("4 is not in the ring any more")
            return
        }
        #expect(start == 5)
    }

    @Test func `a ring too small for one revision still keeps the order`() {
        var hub = WatchHub(revision: 1, limits: .init(eventsMax: 1))
        _ = hub.tell(2, [put("a", 2), put("b", 2)])
        #expect(hub.ringStart == 3)
        guard case .older = hub.look(.all, from: 2, compacted: 0) else {
            Issue.record("2 is not in the ring")
            return
        }
    }

    @Test func `a batch ends with a whole revision`() {
        var hub = WatchHub(revision: 1, limits: .init(batchEventsMax: 3))
        for revision: Revision in 2...5 { _ = hub.tell(revision, [put("a", revision), put("b", revision)]) }
        guard case .batch(let batch) = hub.look(.all, from: 2, compacted: 0) else {
            Issue.record("no batch")
            return
        }
        #expect(batch.revision == 3)
        #expect(batch.events.map(\.revision) == [2, 2, 3, 3])
        #expect(revisions(hub.look(.all, from: 4, compacted: 0)) == [4, 4, 5, 5])
    }

    @Test func `nothing for the range says how far that is known`() {
        var hub = WatchHub(revision: 1)
        _ = hub.tell(2, [put("a", 2)])
        guard case .nothing(let through) = hub.look(.prefix("b"), from: 2, compacted: 0) else {
            Issue.record("there is nothing about b")
            return
        }
        #expect(through == 2)
        guard case .nothing(let before) = hub.look(.all, from: 9, compacted: 0) else {
            Issue.record("9 has not happened")
            return
        }
        #expect(before == 8)
    }

    @Test func `what a key held before the compaction is not told`() {
        var hub = WatchHub(revision: 1)
        let before = Entry(key: "a", value: [1], createRevision: 1, modRevision: 1, version: 1)
        _ = hub.tell(2, [.delete("a", modRevision: 2, previous: before)])
        _ = hub.tell(3, [.delete("a", modRevision: 3, previous: before)])
        guard case .batch(let batch) = hub.look(.all, from: 2, compacted: 2) else {
            Issue.record("no batch")
            return
        }
        #expect(batch.events == [
            .delete("a", modRevision: 2, previous: nil), .delete("a", modRevision: 3, previous: before),
        ])
    }
}
