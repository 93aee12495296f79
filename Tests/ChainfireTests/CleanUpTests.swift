import Store
import Testing
@testable import Chainfire

/// What becomes of what nobody can read any more.
struct CleanUpTests {
    @Test(arguments: [1, 2_000]) func `what was deleted and compacted does not come back, however much there was to clean up`(atOnce: Int) throws {
        let directory = try TemporaryDirectory()
        var options = ChainfireOptions()
        options.garbageAtOnce = atOnce
        let bench = try Bench(directory.path, options)
        for number in 0..<3_000 { try bench.put(Key("a\(number)")) }
        try bench.put("k")
        try bench.machine.flush()
        for number in 0..<3_000 { try bench.put(Key("a\(number)"), [1]) }
        try bench.apply(.transaction(Transaction(then: [.delete(.single("k"))])))
        try bench.put("x")
        try bench.apply(.compaction(bench.machine.revision.load(ordering: .relaxed)))
        // As a process that is told to end does it: once.
        #expect(try bench.machine.checkpoint() == bench.index)
        try bench.machine.storage.close()
        let again = try Bench(directory.path)
        #expect(try again.machine.range(RangeRequest(.single("k"))).entries.isEmpty)
        #expect(try again.machine.hash(at: nil) == bench.machine.hash(at: nil))
    }

    @Test func `what nobody can read any more goes from the database as fast as it comes`() throws {
        let directory = try TemporaryDirectory()
        var options = ChainfireOptions()
        options.garbageAtOnce = 10
        let bench = try Bench(directory.path, options)
        for round in 1...20 {
            for number in 0..<100 { try bench.put(Key("a\(number)"), [UInt8(round)]) }
            try bench.apply(.compaction(bench.machine.revision.load(ordering: .relaxed)))
            try bench.machine.flush()
        }
        let rows = try bench.machine.storage.history(from: 1, to: .max, bytesMax: .max).changes.count
        #expect(rows <= 300, "\(rows) rows of 100 keys")
    }

    @Test func `a large compaction holds up no write: each forgets twice as much as it leaves, and the next flush the rest`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        for number in 0..<2_000 { try bench.put("k", [UInt8(number % 256)]) }
        let forgettable = { bench.machine.state.withLock { $0.keyspace.forgettable } }
        try bench.apply(.compaction(1_990))
        #expect(forgettable() >= 1_990)
        #expect(throws: StoreError.compacted(oldest: 1_990)) { _ = try bench.machine.range(RangeRequest(.all, at: 1_989)) }
        var before = forgettable()
        for _ in 0..<100 {
            try bench.put("k")
            #expect((1...2).contains(before - forgettable()))
            before = forgettable()
        }
        // One transaction that leaves much forgets much.
        try bench.apply(.transaction(Transaction(then: (0..<50).map { .put(Key("x\($0)"), []) })))
        before = forgettable()
        try bench.apply(.transaction(Transaction(then: (0..<50).map { .put(Key("x\($0)"), [1]) })))
        #expect(before - forgettable() == 51)
        try bench.machine.flush()
        // Of `k` what was not compacted, of each of the others one.
        #expect(forgettable() == 2_001 + 100 - 1_990 + 50)
        let garbage = bench.machine.state.withLock { $0.garbage.count }
        #expect(garbage == 0, "what was not stored need not be deleted")
        #expect(try bench.machine.range(RangeRequest(.single("k"), at: 1_995)).entries.first?.value == [UInt8(1_993 % 256)])
    }

    @Test func `a physical compaction deletes from the storage all that nobody may read`() throws {
        let directory = try TemporaryDirectory()
        let bench = try Bench(directory.path)
        for number in 0..<5_000 { try bench.put(Key("k\(number % 10)"), [UInt8(number % 256)]) }
        try bench.apply(.transaction(Transaction(then: [.delete("k0")])))
        try bench.machine.flush()
        try bench.apply(.compaction(5_002))
        try bench.machine.deleteGarbage()
        guard let storage = bench.machine.storage as? Storage else { return }
        let rows = try storage.writer.withLock { try $0?.integer("SELECT COUNT(*) FROM history") }
        // The newest of nine keys, and the tombstone of the last revision.
        #expect(rows == 10)
        #expect(bench.machine.state.withLock { $0.keyspace.forgettable } == 1)
    }
}
