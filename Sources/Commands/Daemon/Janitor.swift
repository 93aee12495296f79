import Foundation
import Host
import Logging
import Resource
import ServiceLifecycle
import Store

/// Removes events that nobody will read any more: older than a day, or beyond the newest thousands.
struct Janitor: ServiceLifecycle.Service {
    static let ageMax: TimeInterval = 24 * 3600
    static let countMax = 10_000

    var store: any Store
    var time: any Time
    var logger: Logger

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    try await time.sleep(for: .seconds(300))
                    do {
                        try await sweep()
                    } catch let error as StoreError {
                        // A full disk, say: the server lives on, and so do the old events.
                        logger.warning("old events could not be removed", metadata: ["error": "\(error)"])
                    }
                }
            }
        } catch is CancellationError {}
    }

    func sweep() async throws {
        let found = try await store.range(RangeRequest(.prefix(Key(Registry.events))))
        let oldest = time.date().addingTimeInterval(-Self.ageMax)
        let dated = found.entries.map { entry in
            (key: entry.key, at: (try? Wire.decode(EventRecord.self, from: entry.value))?.lastTimestamp ?? .distantPast)
        }.sorted { $0.at > $1.at }
        let doomed = dated.enumerated().filter { $0.offset >= Self.countMax || $0.element.at < oldest }.map(\.element.key)
        for start in stride(from: 0, to: doomed.count, by: Transaction.operationsMax) {
            let part = doomed[start ..< min(start + Transaction.operationsMax, doomed.count)]
            _ = try await store.commit(Transaction(then: part.map { .delete($0) }))
        }
    }
}
