import Foundation
import Testing

/// Debian's `nix-instantiate`, in a directory of its own: it needs no /nix, no daemon, no network and no root.
enum NixInstantiate {
    static let program = ["/usr/bin/nix-instantiate", "/run/current-system/sw/bin/nix-instantiate"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    static var isThere: Bool { program != nil }

    /// What an expression is, as JSON.
    static func evaluate(_ expression: String) throws -> Any {
        let program = try #require(program)
        let root = FileManager.default.temporaryDirectory.appending(path: "plasma-nix-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let file = root + "/expression.nix"
        try Data(expression.utf8).write(to: URL(fileURLWithPath: file))

        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["--eval", "--strict", "--json", file]
        process.environment = [
            "HOME": root, "XDG_CACHE_HOME": root + "/cache", "NIX_STORE_DIR": root + "/store", "NIX_STATE_DIR": root + "/var",
            "NIX_LOG_DIR": root + "/log", "NIX_CONF_DIR": root + "/etc", "NIX_REMOTE": "local", "PATH": "/usr/bin:/bin",
        ]
        let output = Pipe(), errors = root + "/errors"
        _ = FileManager.default.createFile(atPath: errors, contents: nil)
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let words = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
        try #require(process.terminationStatus == 0, "\(words)")
        return try JSONSerialization.jsonObject(with: bytes, options: .fragmentsAllowed)
    }
}
