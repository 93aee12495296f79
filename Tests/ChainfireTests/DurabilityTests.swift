import Foundation
import Host
import Logging
import ServiceLifecycle
import Simulation
import Store
import Testing
@testable import Chainfire

@Suite(.timeLimit(.minutes(2))) struct DurabilityTests {
    @Test func `what was written, deleted and compacted is the same after it was opened again`() async throws {
        let directory = try TemporaryDirectory()
        var before: [RangeResult] = []
        for round in 0..<4 {
            before = try await withChainfire(in: directory.path, round % 2 == 0 ? tiny : ChainfireOptions()) { store in
                if round > 0 {
                    try await #expect(answers(store) == before, "round \(round)")
                    #expect(store.status.compacted == Revision(round) * 40)
                }
                for number in 0..<50 { try await store.put(Key("k\(number % 7)/\(round)"), [UInt8(number)]) }
                _ = try await store.commit(Transaction(then: [.delete(.prefix("k3"))]))
                try await store.compact(through: Revision(round + 1) * 40)
                return try await answers(store)
            }
        }
    }

    private func answers(_ store: any Store) async throws -> [RangeResult] {
        let newest = try await store.range(RangeRequest(.all))
        return [newest, try await store.range(RangeRequest(.all, at: newest.revision - 3))]
    }

    @Test func `a state that is lost is made again from the log`() async throws {
        let directory = try TemporaryDirectory()
        let before = try await withChainfire(in: directory.path) { store in
            for number in 0..<300 { try await store.put(Key("k\(number % 7)"), [UInt8(truncatingIfNeeded: number)]) }
            return try await answers(store)
        }
        try FileManager.default.removeItem(atPath: directory.path + "/state.db")
        let after = try await withChainfire(in: directory.path) { store in try await answers(store) }
        #expect(after == before)
    }

    @Test func `a shutdown finishes what is under way, refuses what is new, and ends the watches`() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory.path)
        let group = ServiceGroup(services: [store], logger: quiet)
        let running = Task { try await group.run() }
        try await store.put("first", [])
        let watch = try await store.watch(.all, from: nil)
        let writes = (0..<100).map { number in
            Task { try await store.put(Key("k\(number)"), []) }
        }
        await group.triggerGracefulShutdown()
        try await running.value
        var acknowledged = 0
        for write in writes {
            switch await write.result {
            case .success: acknowledged += 1
            case .failure(let error): #expect(error as? StoreError == .unavailable("the store is stopping"))
            }
        }
        await #expect(throws: StoreError.self) { try await store.put("late", []) }
        await #expect(throws: StoreError.unavailable("the store has stopped")) { _ = try await store.get("first") }
        await #expect(throws: StoreError.unavailable("the store has stopped")) { for try await _ in watch {} }
        let kept = try await withChainfire(in: directory.path) { try await $0.range(RangeRequest(.prefix("k"))).count }
        #expect(kept == acknowledged)
    }

    @Test func `a directory opens once at a time`() async throws {
        let directory = try TemporaryDirectory()
        _ = try await withChainfire(in: directory.path) { _ in
            #expect { _ = try open(directory.path) } throws: { error in
                "\(error)".contains(directory.path + "/lock is locked by")
            }
        }
    }

    @Test func `while the log's disk is full reads go on, and writes resume by themselves`() async throws {
        let directory = try TemporaryDirectory()
        let disk = SimulatedDisk(seed: 1)
        try await withChainfire(in: directory.path, disk: disk) { store in
            try await store.put("a", [1])
            disk.setFullness(.everything)
            // The first was taken before the disk refused it: its outcome is unknown. Those after it are not begun.
            await #expect(throws: StoreError.self) { try await store.put("a", [2]) }
            await #expect(throws: StoreError.noSpace) { try await store.put("a", [2]) }
            try await #expect(store.get("a")?.value == [1])
            disk.setFullness(.none)
            let revision = try await store.put("a", [3])
            try await #expect(store.get("a")?.value == [3])
            #expect((3...4).contains(revision))
        }
    }

    @Test func `old revisions are compacted by themselves`() async throws {
        let directory = try TemporaryDirectory()
        var options = ChainfireOptions()
        options.compaction = CompactionPolicy(keep: 50)
        try await withChainfire(in: directory.path, options) { store in
            var number = 0
            while store.status.compacted < 100 {
                try await store.put("a", [UInt8(truncatingIfNeeded: number)])
                number += 1
            }
            let status = store.status
            #expect(status.revision - status.compacted >= 50)
            #expect(status.keys == 1)
            await #expect(throws: StoreError.self) { _ = try await store.range(RangeRequest(.all, at: 60)) }
        }
    }
}
