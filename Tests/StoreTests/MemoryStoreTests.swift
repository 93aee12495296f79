import Simulation
import Store
import Testing

@Suite(.timeLimit(.minutes(1))) struct MemoryStoreTests {
    @Test(arguments: StoreConformance.all)
    func `MemoryStore keeps the promise that`(_ check: StoreConformance.Check) async throws {
        try await check.run(MemoryStore())
    }

    @Test func `a seed gives the same run on two memory stores`() async throws {
        for seed: UInt64 in 1...20 {
            try await StoreConformance.compare(MemoryStore(), with: MemoryStore(), seed: seed, steps: 200)
        }
    }
}

struct KeyTests {
    @Test func `the end of a prefix is the first key that does not begin with it`() {
        #expect(Key("ab").prefixEnd == Key("ac"))
        #expect(Key([0x61, 0xff]).prefixEnd == Key("b"))
        #expect(Key([0xff, 0xff]).prefixEnd == nil)
        #expect(Key([]).prefixEnd == nil)
    }

    @Test func `a single range holds its key and no other`() {
        let range = KeyRange.single("a")
        #expect(range.contains("a"))
        #expect(!range.contains("a\0"))
        #expect(!range.contains("b"))
        #expect(KeyRange.all.contains(Key([])))
    }
}
