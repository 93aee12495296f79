import Foundation
import Store
import Testing
@testable import Chainfire

/// Figures, no judgement: run with CHAINFIRE_BENCHMARK=1 and a release build.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CHAINFIRE_BENCHMARK"] != nil), .serialized) struct Benchmark {
    private func report(_ what: String, _ count: Int, _ took: Duration) {
        let seconds = took / .seconds(1)
        print("\(what): \(count) in \(took), \(Int(Double(count) / seconds))/s, \(Int(seconds / Double(count) * 1e9)) ns each")
    }

    @Test func `puts by one client and by two hundred`() async throws {
        let directory = try TemporaryDirectory()
        try await withChainfire(in: directory.path) { store in
            let clock = ContinuousClock()
            let value = [UInt8](repeating: 7, count: 256)
            report("puts, 1 client", 2_000, try await clock.measure {
                for number in 0..<2_000 { try await store.put(Key("one/\(number % 500)"), value) }
            })
            report("puts, 200 clients", 60_000, try await clock.measure {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for client in 0..<200 {
                        group.addTask {
                            for number in 0..<300 { try await store.put(Key("many/\(client)/\(number % 50)"), value) }
                        }
                    }
                    try await group.waitForAll()
                }
            })
            report("range of one key", 100_000, try await clock.measure {
                for number in 0..<100_000 { _ = try await store.get(Key("one/\(number % 500)")) }
            })
        }
    }

    @Test func `a hundred thousand keys are opened and listed`() async throws {
        let directory = try TemporaryDirectory()
        let clock = ContinuousClock()
        let value = [UInt8](repeating: 7, count: 1_000)
        try await withChainfire(in: directory.path) { store in
            for start in stride(from: 0, to: 100_000, by: 100) {
                _ = try await store.commit(Transaction(then: (start..<start + 100).map { .put(Key("list/\($0)"), value) }))
            }
            let count = try await store.range(RangeRequest(.prefix("list/1"), limit: 30_000)).entries.count
            report("list of 1 KB keys", count, try await clock.measure {
                _ = try await store.range(RangeRequest(.prefix("list/"), limit: 30_000))
            })
            report("list of the newest 30,000 keys", 30_000, try await clock.measure {
                _ = try await store.range(RangeRequest(KeyRange(lower: "list/70000", upper: nil), limit: 30_000))
            })
            report("count of 100,000 keys", 1, try await clock.measure {
                _ = try await store.range(RangeRequest(.all, countOnly: true))
            })
            report("database bytes", store.status.databaseBytes, .seconds(1))
        }
        let took = clock.measure { _ = try? open(directory.path) }
        report("opening 100,000 keys", 100_000, took)
    }
}
