import Simulation
import Store
import Testing

@testable import Commands

struct PrefixStoreTests {
    @Test(arguments: StoreConformance.all)
    func `a store within a store keeps the promise that`(_ check: StoreConformance.Check) async throws {
        try await check.run(PrefixStore(MemoryStore(), prefix: "/plasma.cloud"))
    }

    @Test func `what lies outside the prefix is neither seen nor touched`() async throws {
        let base = MemoryStore()
        let store = PrefixStore(base, prefix: "/p")
        for key in ["/a", "/p", "/q", "/o\u{ff}"] as [Key] { try await base.put(key, [1]) }
        try await store.put("/registry/a", [2])
        #expect(try await base.get("/p/registry/a")?.value == [2])
        #expect(try await store.get("/registry/a")?.key == "/registry/a")
        #expect(try await store.range(RangeRequest(.all)).entries.map(\.key) == ["", "/registry/a"])
        let watch = try await store.watch(.all, from: 1)
        _ = try await store.commit(Transaction(then: [.delete(.all)]))
        #expect(try await base.range(RangeRequest(.all)).entries.map(\.key) == ["/a", "/o\u{ff}", "/q"])
        var seen: [Key] = []
        for try await batch in watch {
            seen += batch.events.map(\.key)
            if seen.count == 4 { break }
        }
        #expect(seen == ["", "/registry/a", "", "/registry/a"])
    }
}
