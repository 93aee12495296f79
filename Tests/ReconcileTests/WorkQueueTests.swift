import Host
import Testing

@testable import Reconcile

@Suite struct WorkQueueTests {
    private let start = Instant(sinceStart: .zero)

    @Test func `a key that is added twice is handed out once`() {
        var queue = WorkQueue(seed: 1)
        queue.add("a")
        queue.add("a")
        let first = queue.take(now: start)
        let second = queue.take(now: start)
        #expect(first?.key == "a")
        #expect(second == nil)
    }

    @Test func `a key that changes while it runs is run once more`() {
        var queue = WorkQueue(seed: 1)
        queue.add("a")
        _ = queue.take(now: start)
        queue.add("a")
        queue.add("a")
        let meanwhile = queue.take(now: start)
        #expect(meanwhile == nil, "a key was handed out while it ran")
        queue.finish("a", again: nil)
        let again = queue.take(now: start)
        #expect(again?.key == "a")
        queue.finish("a", again: nil)
        let third = queue.take(now: start)
        #expect(third == nil)
    }

    @Test func `a failing key comes back later and later, up to the most`() {
        var options = WorkQueue.Options()
        options.jitter = 0
        options.backoffMin = .seconds(1)
        options.backoffMax = .seconds(10)
        var queue = WorkQueue(options: options, seed: 1)
        queue.add("a")
        var now = start
        var delays: [Duration] = []
        for attempt in 1...6 {
            let ticket = queue.take(now: now)
            #expect(ticket?.attempt == attempt)
            let due = queue.fail("a", now: now)
            #expect(ticket?.delay == due - now)
            delays.append(due - now)
            let early = queue.take(now: now + (due - now) / 2)
            #expect(early == nil)
            now = due
        }
        #expect(delays == [1, 2, 4, 8, 10, 10].map { .seconds($0) })
    }

    @Test func `success ends the counting of failures`() {
        var queue = WorkQueue(seed: 1)
        queue.add("a")
        _ = queue.take(now: start)
        queue.fail("a", now: start)
        queue.add("a")
        _ = queue.take(now: start)
        queue.finish("a", again: nil)
        queue.add("a")
        let ticket = queue.take(now: start)
        #expect(ticket?.attempt == 1)
    }

    @Test func `acting is not success: failures go on counting until a look finds nothing to do`() {
        var queue = WorkQueue(seed: 1)
        queue.add("a")
        _ = queue.take(now: start)
        let due = queue.fail("a", now: start)
        _ = queue.take(now: due)
        queue.repeatNow("a")
        let ticket = queue.take(now: due)
        #expect(ticket?.attempt == 2)
    }

    @Test func `a change brings a waiting key forward`() {
        var queue = WorkQueue(seed: 1)
        queue.add("a", at: start + .seconds(60))
        let before = queue.take(now: start)
        #expect(before == nil)
        queue.add("a")
        let after = queue.take(now: start)
        #expect(after?.key == "a")
        queue.finish("a", again: nil)
        let ghost = queue.take(now: start + .seconds(61))
        #expect(ghost == nil, "the timer that was overtaken fired all the same")
    }

    @Test func `jitter shortens a delay by its share at most`() {
        for seed in 0..<1_000 as Range<UInt64> {
            var queue = WorkQueue(seed: seed)
            queue.add("a")
            let ticket = queue.take(now: start)
            let delay = ticket?.delay ?? .zero
            #expect(delay <= .milliseconds(200) && delay >= .milliseconds(150), "seed \(seed): \(delay)")
        }
    }

    /// Random adds, takes and ends: no key runs twice at once, none that was added is forgotten.
    @Test func `no key is lost and none runs twice at once`() {
        for seed in 0..<2_000 as Range<UInt64> {
            var random = SplitMix(state: seed)
            var queue = WorkQueue(seed: seed)
            var running: Set<String> = []
            var owed: Set<String> = []
            var now = start
            for _ in 0..<200 {
                let key = ["a", "b", "c", "d"].randomElement(using: &random)!
                switch Int.random(in: 0...5, using: &random) {
                case 0, 1:
                    queue.add(key)
                    owed.insert(key)
                case 2, 3:
                    if let ticket = queue.take(now: now) {
                        let isNew = running.insert(ticket.key).inserted
                        #expect(isNew, "seed \(seed): \(ticket.key) handed out twice")
                        owed.remove(ticket.key)
                    }
                case 4:
                    if let done = running.min() {
                        running.remove(done)
                        if Bool.random(using: &random) { queue.finish(done, again: nil) } else { queue.fail(done, now: now) }
                    }
                default:
                    now = now + .milliseconds(Int.random(in: 0...500, using: &random))
                }
            }
            while let key = running.min() {
                running.remove(key)
                queue.finish(key, again: nil)
            }
            while let ticket = queue.take(now: now) {
                owed.remove(ticket.key)
                queue.finish(ticket.key, again: nil)
            }
            #expect(owed == [], "seed \(seed): never handed out")
        }
    }
}
