import Chainfire
import Foundation
import Host
import Kinds
import Logging
import Reconcile
import Resource
import ServiceLifecycle
import Store

/// The bench says everything in its table.
let silence = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

/// Runs services in the daemon's order around a body, and stops them as SIGTERM does.
func running<T: Sendable>(_ services: [any ServiceLifecycle.Service], _ body: () async throws -> T) async throws -> T {
    let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services.map { .init(service: $0) }, logger: silence))
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            do {
                try await group.run()
            } catch {
                // The body waits for what will not come any more.
                FileHandle.standardError.write(Data("bench: a service failed: \(error)\n".utf8))
                exit(1)
            }
        }
        let value = try await body()
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        return value
    }
}

func openChainfire(_ directory: String, counting disk: CountingDisk? = nil) throws -> Chainfire {
    if let disk { return try Chainfire.open(directory: directory, time: SystemTime(), disk: disk, logger: silence) }
    return try Chainfire.open(directory: directory, time: SystemTime(), disk: SystemDisk(), logger: silence)
}

func makeMirror(_ store: any Store) -> Mirror { Mirror(store: store, kinds: Catalog.table, time: SystemTime(), logger: silence) }

func makeWorkshop(_ mirror: Mirror, _ store: any Store, _ world: SimulatedWorld) -> Workshop {
    Workshop(
        mirror: mirror, store: store, time: SystemTime(), kinds: Catalog.table, footing: Footing(world.loops(performs: false)), logger: silence)
}

/// Returns once something holds; looks every millisecond.
func wait(_ what: String, upTo limit: Duration, every pause: Duration = .milliseconds(1), until holds: () -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while !holds() {
        if ContinuousClock.now > deadline { throw BenchFailure("waited \(limit) in vain: \(what)") }
        try await Task.sleep(for: pause)
    }
}

/// An empty folder of the bench's own.
func freshFolder(_ name: String, in directory: String) throws -> String {
    let path = directory + "/" + name
    if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}
