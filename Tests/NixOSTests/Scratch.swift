import Foundation
import Host

@testable import NixOS

/// A directory with programs in it that pretend; gone when the test is.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// - Returns: the program's path.
    func program(_ name: String, _ script: String) throws -> String {
        let file = "\(path)/\(name)"
        try writePrivately(Array(("#!/bin/sh\n" + script).utf8), to: file, mode: 0o700)
        return file
    }

    func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Looks again and again until it is so, or fails after 30 s.
func eventually(_ what: String, _ condition: () throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw NixOSError.system("it does not come to be: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
