import Foundation
import Host
import Manifest
import Resource
import ServiceLifecycle
import Simulation
import Store
import Testing

@testable import Reconcile

@Suite(.timeLimit(.minutes(2))) struct ControllerTests {
    private static let leaving = Date(timeIntervalSince1970: 1)

    @Test func `a new record is brought to its goal and says so`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            #expect(bench.world.state.withLock { $0.performed } == ["make a 4"])
            #expect(bench.widget("a")?.status?.detail.size == 4)
            #expect(bench.widget("a")?.status?.phase == "Ready")
        }
    }

    @Test func `a server that ends does not wait for a look, and does nothing upon one that was broken off`() async throws {
        let bench = Bench()
        let (never, hold) = AsyncStream.makeStream(of: Never.self)
        bench.world.slow.withLock { $0 = ("a", never) }
        try await bench.put("a", Widget.Spec(size: 4))
        let controller = Controller(Loop<Widget.Planning>(observer: bench.world, performer: bench.world), in: bench.workshop)
        let services = ServiceGroup(services: [bench.mirror, controller], logger: bench.workshop.logger)
        async let ended: Void = services.run()
        while !bench.world.isLookedAt.load(ordering: .relaxed) { await Task.yield() }
        await services.triggerGracefulShutdown()
        try await ended
        #expect(bench.world.state.withLock { $0.performed } == [])
        #expect(bench.widget("a")?.status == nil)
        withExtendedLifetime(hold) {}
    }

    @Test func `who waits for a revision that does not come is let go when cancelled`() async {
        let bench = Bench()
        let waiting = (0..<100).map { number in Task { await bench.mirror.caughtUp(to: 100 + Int64(number)) } }
        for task in waiting {
            await Task.yield()
            task.cancel()
        }
        for task in waiting { await task.value }
    }

    @Test func `a change of the spec is acted on, one of the status is not`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            try await bench.put("a", Widget.Spec(size: 6))
            await bench.until { $0.get(Widget.self, "a")?.status?.detail.size == 6 }
            #expect(bench.world.state.withLock { $0.performed } == ["make a 4", "make a 6"])
            #expect(bench.widget("a")?.status?.observedGeneration == 2)
        }
    }

    @Test func `what fails is tried again, and the record names the attempt and the next one`() async throws {
        try await Bench().running { bench in
            bench.world.state.withLock { $0.failures = 2 }
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.status?.attempt == 1 }
            let failing = bench.widget("a")
            #expect(failing?.status?.phase == "Failing")
            #expect(failing?.summary?.condition("Ready")?.message == "attempt 1 failed: make a 4: the world is broken")
            #expect(failing?.status?.nextAttempt != nil)
            await bench.time.advance(untilSleepersOf: .seconds(1))
            await bench.until { $0.get(Widget.self, "a")?.status?.attempt == 2 }
            await bench.time.advance(untilSleepersOf: .seconds(1))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            #expect(bench.widget("a")?.status?.attempt == nil)
        }
    }

    @Test func `doing the same without effect is a failure, not a busy loop`() async throws {
        try await Bench().running { bench in
            bench.world.state.withLock { $0.isDeaf = true }
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.status?.phase == "Failing" }
            #expect(bench.widget("a")?.summary?.condition("Ready")?.message.contains("done, but nothing changed") == true)
            #expect(bench.world.state.withLock { $0.performed } == ["make a 4"])
        }
    }

    @Test func `what cannot be seen is failing, and seen again it goes on`() async throws {
        try await Bench().running { bench in
            bench.world.state.withLock { $0.isInvisible = true }
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.status?.phase == "Failing" }
            #expect(bench.widget("a")?.summary?.condition("Ready")?.message == "attempt 1 failed: could not look: the world is broken")
            bench.world.state.withLock { $0.isInvisible = false }
            await bench.time.advance(untilSleepersOf: .seconds(1))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
        }
    }

    @Test func `a waiting record wakes when what it waits on is ready`() async throws {
        try await Bench().running { bench in
            try await bench.put("b", Widget.Spec(size: 1, after: "a"))
            await bench.until { $0.get(Widget.self, "b")?.status?.phase == "Waiting" }
            try await bench.put("a", Widget.Spec(size: 1))
            await bench.until { $0.get(Widget.self, "b")?.isReady == true }
            #expect(bench.world.state.withLock { $0.performed } == ["make a 1", "make b 1"])
        }
    }

    @Test func `what a record waits on may become ready while it is first looked at`() async throws {
        try await Bench().running { bench in
            let (until, looked) = AsyncStream.makeStream(of: Never.self)
            bench.world.slow.withLock { $0 = ("b", until) }
            try await bench.put("b", Widget.Spec(size: 1, after: "a"))
            await bench.until { $0.get(Widget.self, "b") != nil }
            try await bench.put("a", Widget.Spec(size: 1))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            looked.finish()
            await bench.until { $0.get(Widget.self, "b")?.isReady == true }
        }
    }

    @Test func `changes are kept while rounds run, up to a bound`() {
        var recent = RecentChanges()
        func change(_ name: String) -> LedgerChange { LedgerChange(reference: Reference(Widget.self, name), before: nil, after: nil) }
        recent.note(change("early"))
        recent.begin("a")
        recent.note(change("x"))
        recent.begin("b")
        recent.note(change("y"))
        func seen(_ key: String, _ name: String) -> Bool { recent.end(key) { $0.reference.name == name } }
        #expect(!seen("b", "x"), "it came before")
        #expect(seen("a", "x"))
        #expect(!seen("a", "x"), "it has ended")
        recent.begin("a")
        for number in 0...RecentChanges.countMax { recent.note(change("\(number)")) }
        #expect(seen("a", "nothing"), "what it may have missed it looks at")
    }

    @Test func `what happened becomes events, and a thousand at once become few`() throws {
        let widget = Resource<Widget>(metadata: Metadata(name: "a", uid: "uid-a"), spec: Widget.Spec(size: 1))
        var plan = Plan<Widget, Widget.Action>(.ready, status: Widget.Status(size: 1))
        plan.happenings = (0..<1000).map { Happening(reason: "Came", message: "number \($0)") }
        let now = Date(timeIntervalSince1970: 0)
        let round = Round<Widget.Planning>(widget, plan: plan, ledger: Ledger(), now: now, makeUID: { "" })
        var journal = Journal()
        let entries = try journal.entries(for: round, about: widget.reference, now: now)
        #expect(entries.count == 34, "32, one for all others, and Ready")
    }

    @Test func `what happens twice at once is one event, counted twice`() throws {
        let widget = Resource<Widget>(metadata: Metadata(name: "a", uid: "uid-a"), spec: Widget.Spec(size: 1))
        var plan = Plan<Widget, Widget.Action>(.ready, status: Widget.Status(size: 1))
        plan.happenings = Array(repeating: Happening(reason: "Came", message: "again"), count: 2)
        let now = Date(timeIntervalSince1970: 0)
        let round = Round<Widget.Planning>(widget, plan: plan, ledger: Ledger(), now: now, makeUID: { "" })
        var journal = Journal()
        let entries = try journal.entries(for: round, about: widget.reference, now: now)
        #expect(entries.count == 2, "it, and Ready")
        try Transaction(then: entries).validate()
        guard case .put(_, let value, _)? = entries.first else {
            Issue.record("\(entries)")
            return
        }
        let event = try Wire.decode(EventRecord.self, from: value)
        #expect(event.message == "again" && event.count == 2)
    }

    @Test func `what a void round had to tell is told by the next one, and counted once`() async throws {
        try await Bench().running { bench in
            let (until, looked) = AsyncStream.makeStream(of: Never.self)
            bench.world.slow.withLock { $0 = ("a", until) }
            try await bench.put("a", Widget.Spec(size: 4))
            while !bench.world.isLookedAt.load(ordering: .relaxed) { await Task.yield() }
            // Somebody else writes while it is looked at.
            try await bench.put("a", Widget.Spec(size: 4)) { $0.annotations["note"] = "x" }
            looked.finish()
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            let entries = try await bench.store.range(RangeRequest(.prefix(Key(Registry.events)))).entries
            let events = try entries.map { try Wire.decode(EventRecord.self, from: $0.value) }
            #expect(events.filter { $0.message == "make a 4" }.map(\.count) == [1])
        }
    }

    @Test func `children are made, changed with their owner, and retired`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4, parts: ["b", "c"]))
            await bench.until { $0.get(Widget.self, "b")?.isReady == true && $0.get(Widget.self, "c")?.isReady == true }
            #expect(bench.widget("b")?.metadata.owner?.reference == Reference(Widget.self, "a"))
            try await bench.put("a", Widget.Spec(size: 8, parts: ["b"]))
            await bench.until { $0.get(Widget.self, "b")?.status?.detail.size == 4 && $0.get(Widget.self, "c") == nil }
            #expect(bench.world.state.withLock { $0.sizes } == ["a": 8, "b": 4])
        }
    }

    @Test func `an owner goes after its children, and nothing stays`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4, parts: ["b"]))
            await bench.until { $0.get(Widget.self, "b")?.isReady == true }
            try await bench.put("a", Widget.Spec(size: 4, parts: ["b"])) { $0.deletionTimestamp = Self.leaving }
            await bench.until { $0.get(Widget.self, "a") == nil && $0.get(Widget.self, "b") == nil }
            #expect(bench.world.state.withLock { $0.sizes } == [:])
        }
    }

    @Test func `a name that belongs to somebody else is not taken`() async throws {
        try await Bench().running { bench in
            try await bench.put("b", Widget.Spec(size: 1))
            await bench.until { $0.get(Widget.self, "b")?.isReady == true }
            try await bench.put("a", Widget.Spec(size: 4, parts: ["b"]))
            await bench.until { $0.get(Widget.self, "a")?.status?.phase == "Stalled" }
            #expect(bench.widget("a")?.summary?.condition("Stalled")?.message.contains("Widget/b exists and belongs to somebody else") == true)
            #expect(bench.world.state.withLock { $0.sizes["b"] } == 1)
        }
    }

    /// Another version wrote them, or somebody's hand.
    @Test(arguments: [
        (#"{"metadata":{"name":"b"}}"#, "spec is missing"), (#"{"metadata":{"name":"b"},"spec":{"size":"large","parts":[]}}"#, "spec.size: "),
        (#"{"metadata":{"name":"x"},"spec":{"size":1,"parts":[]}}"#, "it says that it is Widget/x"), ("{", "The given data was not valid JSON."),
    ])
    func `who needs a record that cannot be read stands still until it can be, and says so`(_ record: String, _ why: String) async throws {
        try await Bench().running { bench in
            let key = Key(Registry.key(plural: "widgets", "b"))
            try await bench.store.put(key, Array(record.utf8))
            try await bench.put("owner", Widget.Spec(size: 8, parts: ["b", "c"]))
            try await bench.put("follower", Widget.Spec(size: 4, after: "b"))
            for name in ["owner", "follower"] {
                await bench.until { $0.get(Widget.self, name)?.summary?.condition("Stalled")?.status == .yes }
                let told = try #require(bench.widget(name)?.summary?.condition("Stalled")?.message)
                #expect(told.hasPrefix("Widget/b is stored in a form that this version of plasma cannot read (\(why)"))
                #expect(told.hasSuffix("); start the version that wrote it, or put it right in the store"))
            }
            #expect(bench.world.state.withLock { $0.sizes["follower"] } == nil)
            _ = try await bench.store.commit(Transaction(if: [], then: [.delete(key)]))
            for name in ["owner", "follower"] { await bench.until { $0.get(Widget.self, name)?.isReady == true } }
            #expect(bench.world.state.withLock { $0.sizes } == ["owner": 8, "b": 4, "c": 4, "follower": 4])
        }
    }

    @Test func `a record that is spoiled while it is in use is no longer counted upon, and nothing happens to what it tells of`() async throws {
        try await Bench().running { bench in
            try await bench.put("b", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "b")?.isReady == true }
            let key = Key(Registry.key(plural: "widgets", "b"))
            let sound = try #require(try await bench.store.get(key))
            try await bench.store.put(key, Array("{}".utf8))
            await bench.until { $0.whyUnreadable(Reference(Widget.self, "b")) != nil && $0[Reference(Widget.self, "b")] == nil }
            try await bench.put("a", Widget.Spec(size: 2, after: "b"))
            await bench.until { $0.get(Widget.self, "a")?.summary?.condition("Stalled")?.status == .yes }
            try await bench.store.put(key, sound.value)
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            #expect(bench.world.state.withLock { $0.performed } == ["make b 4", "make a 2"])
        }
    }

    @Test func `who is suspended is not ready while something is held back`() {
        var owner = Resource<Widget>(metadata: Metadata(name: "a", uid: "uid-a"), spec: Widget.Spec(size: 4, parts: ["b"]))
        var part = Resource<Widget>(
            metadata: Metadata(name: "b", uid: "uid-b", ownerReferences: [OwnerReference(kind: "Widget", name: "a", uid: "uid-a")]), spec: Widget.Spec(size: 2))
        part.metadata.generation = 1
        func condition(_ owner: Resource<Widget>) -> Condition {
            var ledger = Ledger()
            ledger[owner.reference] = owner
            ledger[part.reference] = part
            let plan = Widget.Planning.plan(Goal(owner), given: owner.spec.size, Reader(ledger))
            return Round<Widget.Planning>(owner, plan: plan, ledger: ledger, now: Date(timeIntervalSince1970: 0), makeUID: { "" }).condition
        }
        #expect(condition(owner) == .ready)
        // Its part is of what was wanted before: what that says of itself is of no use.
        owner.spec.size = 6
        #expect(condition(owner) == .waiting(on: part.reference, "not looked at yet"))
        owner.metadata.annotations[Annotation.suspended] = "true"
        guard case .stalled(let why) = condition(owner) else {
            Issue.record("\(condition(owner))")
            return
        }
        #expect(why.contains("plasma resume"))
        owner.spec.size = 4
        #expect(condition(owner) == .ready, "nothing is held back")
    }

    @Test func `a suspended record is watched but left alone`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4)) { $0.annotations[Annotation.suspended] = "true" }
            await bench.until { $0.get(Widget.self, "a")?.status?.phase == "Suspended" }
            #expect(bench.world.state.withLock { $0.performed } == [])
            try await bench.put("a", Widget.Spec(size: 4)) { $0.annotations[Annotation.suspended] = nil }
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
        }
    }

    @Test func `drift is healed at the next look`() async throws {
        try await Bench().running { bench in
            try await bench.put("a", Widget.Spec(size: 4))
            await bench.until { $0.get(Widget.self, "a")?.isReady == true }
            bench.world.state.withLock { $0.sizes["a"] = 1 }
            await bench.time.advance(untilSleepersOf: .seconds(11))
            await bench.until { _ in bench.world.state.withLock { $0.sizes["a"] == 4 } }
        }
    }
}

extension ManualTime {
    /// Moves time on once somebody sleeps.
    fileprivate func advance(untilSleepersOf duration: Duration) async {
        await sleepers(atLeast: 1)
        advance(by: duration)
    }
}
