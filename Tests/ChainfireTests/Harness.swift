import Foundation
import Host
import Logging
import Simulation
import Store
@testable import Chainfire

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A directory that goes away with the value.
struct TemporaryDirectory: ~Copyable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "chainfire-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path): \(error)") }
    }
}

func open(
    _ directory: String, _ options: ChainfireOptions = ChainfireOptions(), disk: any Disk = SystemDisk()
) throws -> Chainfire {
    try Chainfire.open(directory: directory, time: SystemTime(), disk: disk, options: options, logger: quiet)
}

/// Opens the store in `directory`, runs it while `body` runs, and closes it.
func withChainfire<T: Sendable>(
    in directory: String, _ options: ChainfireOptions = ChainfireOptions(), disk: any Disk = SystemDisk(),
    _ body: (Chainfire) async throws -> T
) async throws -> T {
    let store = try open(directory, options, disk: disk)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await store.run() }
        let result: Result<T, any Error>
        do { result = .success(try await body(store)) } catch { result = .failure(error) }
        group.cancelAll()
        try await group.waitForAll()
        return try result.get()
    }
}

/// A store that has to go to the disk for nearly everything.
var tiny: ChainfireOptions {
    var options = ChainfireOptions()
    options.cacheBytes = 8
    options.ring.eventsMax = 1
    options.ring.batchEventsMax = 3
    return options
}
