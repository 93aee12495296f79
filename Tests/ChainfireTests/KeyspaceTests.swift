import Simulation
import Store
import Testing
@testable import Chainfire

struct KeyspaceTests {
    private struct NotLoaded: Error {}

    /// A keyspace and the history that it asks for what it does not hold.
    private struct World {
        var keyspace: Keyspace
        var history: [ChangeID: Change] = [:]
        var loads = 0

        init(cacheBytes: Int) { keyspace = Keyspace(cacheBytes: cacheBytes) }

        @discardableResult
        mutating func apply(_ operations: Operation...) throws -> Keyspace.Applied {
            let applied = try keyspace.apply(Transaction(then: operations)) { id in
                loads += 1
                guard let change = history[id] else { throw NotLoaded() }
                return change
            }
            for change in applied.changes { history[change.id] = change }
            return applied
        }
    }

    @Test func `within its budget it never loads a newest value`() throws {
        var world = World(cacheBytes: 1 << 20)
        for number in 0..<200 { try world.apply(.put(Key("k\(number % 10)"), [UInt8(number)])) }
        try world.apply(.delete(.all))
        #expect(world.loads == 0)
        #expect(world.keyspace.liveKeys == 0)
        #expect(world.keyspace.cachedBytes == 0)
    }

    @Test func `beyond its budget it drops the values written first, and loads them again`() throws {
        var world = World(cacheBytes: 100)
        for number in 0..<10 { try world.apply(.put(Key("k\(number)"), [UInt8](repeating: 1, count: 20))) }
        #expect(world.keyspace.cachedBytes == 100)
        #expect(world.keyspace.view.range(RangeRequest(.all)).missing.map(\.place) == [0, 1, 2, 3, 4])
        try world.apply(.put("k0", []))
        #expect(world.loads == 1)
        try world.apply(.put("k9", []))
        #expect(world.loads == 1)
        #expect(world.keyspace.cachedBytes == 80)
    }

    @Test func `a value larger than the budget is not kept`() throws {
        var world = World(cacheBytes: 10)
        try world.apply(.put("a", [UInt8](repeating: 1, count: 20)))
        #expect(world.keyspace.cachedBytes == 0)
        let previous = try world.apply(.put("a", [1])).result.results
        #expect(world.loads == 1)
        guard case .put(let entry?) = previous.first else {
            Issue.record("a was there")
            return
        }
        #expect(entry.value.count == 20)
    }

    @Test func `a transaction reads what it wrote itself, though nothing of it was kept or stored`() throws {
        var world = World(cacheBytes: 0)
        try world.apply(.put("a", [1]), .put("b", [2]))
        let applied = try world.apply(.put("a", [3]), .range(RangeRequest(.all)))
        guard case .range(let seen) = applied.result.results[1] else {
            Issue.record("no range")
            return
        }
        #expect(seen.entries.map(\.value) == [[3], [2]])
    }

    @Test func `a compaction gives back exactly the rows that nobody can read`() throws {
        var world = World(cacheBytes: 1 << 20)
        try world.apply(.put("a", [1]))                     // 2
        try world.apply(.put("b", [1]), .put("c", [1]))     // 3
        try world.apply(.put("a", [2]))                     // 4
        try world.apply(.delete("b"))                       // 5
        try world.apply(.put("a", [3]))                     // 6
        var gone = try world.keyspace.restore(compacted: 4)
        #expect(gone == [ChangeID(2, 0)])
        gone = try world.keyspace.restore(compacted: 5)
        #expect(gone == [ChangeID(3, 0)])
        gone = try world.keyspace.restore(compacted: 6)
        #expect(gone == [ChangeID(4, 0), ChangeID(5, 0)])
        #expect(world.keyspace["b"] == nil)
        #expect(world.keyspace.liveKeys == 2)
    }

    @Test func `what was compacted is forgotten little by little, and reads the same until then`() throws {
        var dice = SeededDice(11)
        var (slow, fast) = (World(cacheBytes: 1 << 20), World(cacheBytes: 1 << 20))
        var (gone, expected): (Set<ChangeID>, Set<ChangeID>) = ([], [])
        for round in 1...40 {
            for _ in 0..<Int.random(in: 1...30, using: &dice) {
                let key = Key("k\(Int.random(in: 0..<6, using: &dice))")
                let isPut = Int.random(in: 0..<3, using: &dice) > 0
                try slow.apply(isPut ? .put(key, [1]) : .delete(.single(key)))
                try fast.apply(isPut ? .put(key, [1]) : .delete(.single(key)))
            }
            let through = Revision.random(in: fast.keyspace.compacted + 1...fast.keyspace.revision, using: &dice)
            try slow.keyspace.compact(through: through)
            expected.formUnion(try fast.keyspace.restore(compacted: through))
            for _ in 0..<Int.random(in: 0...8, using: &dice) {
                let now = slow.keyspace.forget(atMost: 3)
                #expect(now.count <= 3)
                gone.formUnion(now)
            }
            for revision in through...slow.keyspace.revision {
                let request = RangeRequest(.all, at: revision)
                #expect(slow.keyspace.view.range(request).result == fast.keyspace.view.range(request).result, "round \(round)")
            }
            #expect(gone.isSubset(of: expected))
            for change in slow.history.values where change.id.revision > through {
                let before = slow.history.values.filter { $0.key == change.key && $0.id < change.id }.max { $0.id < $1.id }
                let expected = before?.isDeleted ?? true ? nil : before?.id
                #expect(slow.keyspace.predecessor(of: change.id, change.key) == expected, "round \(round)")
                #expect(fast.keyspace.predecessor(of: change.id, change.key) == expected, "round \(round)")
            }
        }
        #expect(slow.keyspace.forgettable > fast.keyspace.forgettable)
        gone.formUnion(slow.keyspace.forget(atMost: .max))
        #expect(gone == expected)
        #expect(!slow.keyspace.hasCompacted && slow.keyspace.forgettable == fast.keyspace.forgettable)
        #expect(slow.keyspace.view.hash(through: .max) == fast.keyspace.view.hash(through: .max))
    }

    @Test func `a keyspace restored from the history is the one that wrote it`() throws {
        var world = World(cacheBytes: 1 << 20)
        var dice = SeededDice(7)
        for _ in 0..<500 {
            let key = Key("k\(Int.random(in: 0..<20, using: &dice))")
            if Bool.random(using: &dice) { try world.apply(.put(key, [1])) } else { try world.apply(.delete(key)) }
        }
        var restored = Keyspace(cacheBytes: 1 << 20)
        for change in world.history.values.sorted(by: { $0.id < $1.id }) { restored.take(change) }
        #expect(restored.revision == world.keyspace.revision)
        #expect(restored.liveKeys == world.keyspace.liveKeys)
        for revision in stride(from: Revision(1), through: restored.revision, by: 7) {
            let request = RangeRequest(.all, at: revision)
            #expect(restored.view.range(request).result == world.keyspace.view.range(request).result)
        }
        let (mine, theirs) = (try restored.restore(compacted: 100), try world.keyspace.restore(compacted: 100))
        #expect(mine == theirs)
    }

    @Test func `compactions come in steps of a tenth of what is kept`() {
        let policy = CompactionPolicy(keep: 100)
        #expect(policy.due(revision: 100, compacted: 0) == nil)
        #expect(policy.due(revision: 109, compacted: 0) == nil)
        #expect(policy.due(revision: 110, compacted: 0) == 10)
        #expect(policy.due(revision: 119, compacted: 10) == nil)
        #expect(policy.due(revision: 500, compacted: 10) == 400)
        #expect(CompactionPolicy(keep: nil).due(revision: 1 << 40, compacted: 0) == nil)
        #expect(CompactionPolicy(keep: 0).due(revision: 2, compacted: 1) == 2)
    }
}
