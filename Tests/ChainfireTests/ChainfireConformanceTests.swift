import Chainfire
import Simulation
import Testing

@Suite(.timeLimit(.minutes(2))) struct ChainfireConformanceTests {
    @Test(arguments: StoreConformance.all)
    func `Chainfire keeps the promise that`(_ check: StoreConformance.Check) async throws {
        let directory = try TemporaryDirectory()
        try await withChainfire(in: directory.path) { try await check.run($0) }
    }

    @Test(arguments: StoreConformance.all)
    func `with next to no memory Chainfire keeps the promise that`(_ check: StoreConformance.Check) async throws {
        let directory = try TemporaryDirectory()
        try await withChainfire(in: directory.path, tiny) { try await check.run($0) }
    }

    @Test(arguments: [UInt64](1...10) + [1002, 1074]) func `Chainfire answers as the model does`(seed: UInt64) async throws {
        let directory = try TemporaryDirectory()
        var options = seed % 2 == 0 ? tiny : ChainfireOptions()
        options.log.checkpointCommands = 50
        try await withChainfire(in: directory.path, options) { store in
            try await StoreConformance.compare(store, with: MemoryStore(), seed: seed, steps: 600)
        }
    }
}
