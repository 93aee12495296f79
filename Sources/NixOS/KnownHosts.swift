import Foundation
import Glibc
import Synchronization

/// A file of host keys as ssh reads it, one line an alias: "node01 ssh-ed25519 AAAA…".
package final class KnownHosts: Sendable {
    package let path: String
    /// One for all of this process: several may have the same file, and a line that one of them lost would make a node
    /// look like a stranger.
    private static let writing = Mutex(())

    package init(path: String) { self.path = path }

    /// Makes this the only key that is accepted under the alias.
    /// - Parameter key: "ssh-ed25519 AAAA…", a comment may follow.
    package func pin(_ alias: String, _ key: String) throws {
        let line = "\(alias) \(key.split(separator: " ").prefix(2).joined(separator: " "))"
        try Self.writing.withLock { _ in
            let lines = read()
            let kept = lines.filter { !$0.hasPrefix(alias + " ") }
            guard kept.count != lines.count - 1 || !lines.contains(line) else { return }
            try makePrivateDirectory((path as NSString).deletingLastPathComponent)
            try writePrivately(Array((kept + [line]).joined(separator: "\n").utf8) + [0x0A], to: path)
        }
    }

    /// Forgets the alias.
    package func forget(_ alias: String) throws {
        try Self.writing.withLock { _ in
            let lines = read()
            let kept = lines.filter { !$0.hasPrefix(alias + " ") }
            guard kept.count != lines.count else { return }
            try writePrivately(kept.isEmpty ? [] : Array(kept.joined(separator: "\n").utf8) + [0x0A], to: path)
        }
    }

    private func read() -> [String] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

/// rename(2).
func moveOver(_ source: String, _ target: String) throws {
    guard rename(source, target) == 0 else {
        throw NixOSError.system("could not rename \(source) to \(target): \(String(cString: strerror(errno)))")
    }
}
