import Foundation

/// Where a server keeps everything it owns, and where its socket is found.
package struct DataDirectory: Hashable, Sendable {
    /// Absolute, without a slash at the end.
    package var path: String

    package init(path: String) { self.path = path }

    /// The server's Unix socket.
    package var socket: String { path + "/plasma.sock" }

    /// - Parameters:
    ///   - option: what `--data-dir` says, relative to `workingDirectory`.
    ///   - environment: `XDG_STATE_HOME` and `HOME` are read (XDG Base Directory Specification: a relative
    ///     `XDG_STATE_HOME` is ignored).
    /// - Throws: `Failure` when there is neither an option nor a home.
    package init(
        option: String?, environment: [String: String], isRoot: Bool,
        workingDirectory: String = FileManager.default.currentDirectoryPath
    ) throws {
        if let option {
            guard !option.isEmpty else { throw Failure("--data-dir is empty: name a directory") }
            let absolute = option.hasPrefix("/") ? option : workingDirectory + "/" + option
            path = (absolute as NSString).standardizingPath
        } else if isRoot {
            path = "/var/lib/plasma"
        } else if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
            path = state + "/plasma"
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            path = home + "/.local/state/plasma"
        } else {
            throw Failure("no data directory: neither --data-dir, XDG_STATE_HOME nor HOME says where it is")
        }
    }

    /// As this process would find it.
    package static func current(option: String?) throws -> DataDirectory {
        try DataDirectory(option: option, environment: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
    }
}
