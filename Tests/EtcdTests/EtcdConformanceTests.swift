import Foundation
import Logging
import Simulation
import Store
import Testing

@testable import Etcd

/// The promises of `Store`, kept by a real etcd behind our client.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: EtcdProcess.path != nil, "there is no etcd on the PATH")) struct EtcdConformanceTests {
    private func withStore(_ body: (EtcdStore) async throws -> Void) async throws {
        let etcd = try EtcdProcess.start()
        var options = EtcdClient.Options()
        options.callWithin = .seconds(30)
        let client = try EtcdClient(endpoints: [etcd.endpoint], options: options, logger: Logger(label: "test"))
        try await body(EtcdStore(client))
        await client.close()
    }

    /// etcd 3.4.23 forgets deletes at the very revision of a compaction (etcd #19179, mended in 3.4.36 and 3.5.18).
    private static let checks = StoreConformance.all.filter {
        !$0.name.hasPrefix("deletes at the compaction's revision do not vanish")
    }

    @Test(arguments: checks)
    func `a real etcd keeps the promise that`(_ check: StoreConformance.Check) async throws {
        try await withStore { try await check.run($0) }
    }

    @Test func `a refusal for a revision that never was names the oldest one, and does not wait for it`() async throws {
        try await withStore { store in
            try await store.put("a", [1])
            do throws(StoreError) {
                try await store.compact(through: -3)
                Issue.record("it was not refused")
            } catch {
                #expect(error == .compacted(oldest: 1))
            }
        }
    }

    @Test(arguments: UInt64(1)...6)
    func `at random a real etcd gives the same answers as MemoryStore`(_ seed: UInt64) async throws {
        try await withStore { store in
            try await StoreConformance.compare(store, with: MemoryStore(), seed: seed, steps: 250, isEtcd: true)
        }
    }
}
