import Chainfire
import Etcd
import Simulation
import Store
import Testing
@testable import ChainfireAPI

/// The promises of `Store`, kept by Chainfire behind etcd's own API and our client.
@Suite(.serialized) struct StoreTests {
    private func withStore(_ body: (EtcdStore) async throws -> Void) async throws {
        var options = ChainfireOptions()
        options.compaction = CompactionPolicy(keep: nil)
        try await withMember(store: options) { member in
            let store = try EtcdStore(endpoints: ["http://127.0.0.1:\(member.port)"], logger: quiet)
            try await body(store)
            await store.close()
        }
    }

    @Test(arguments: StoreConformance.all)
    func `over gRPC Chainfire keeps the promise that`(_ check: StoreConformance.Check) async throws {
        try await withStore { try await check.run($0) }
    }
}
