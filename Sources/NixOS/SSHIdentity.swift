import Foundation
import Glibc
import Host

/// The key pair that plasma shows to the machines it installs: `id_ed25519` in a directory of mode 0700, made by
/// ssh-keygen on first use.
package struct SSHIdentity: Sendable {
    package let directory: String
    private let processes: any Processes
    private let making: OneAtATime

    package init(directory: String, processes: any Processes) {
        self.directory = directory
        self.processes = processes
        making = OneAtATime()
    }

    package var privateKeyFile: String { directory + "/id_ed25519" }

    /// As in authorized_keys, without a line end; nil: there is none yet. Whoever only looks makes none.
    package var knownKey: String? { read() }

    /// As in authorized_keys, without a line end; the pair is made when there is none.
    package func publicKey() async throws -> String {
        if let key = read() { return key }
        return try await making.run {
            if let key = read() { return key }
            try makePrivateDirectory(directory)
            if !FileManager.default.fileExists(atPath: privateKeyFile) {
                let pair = try await SSHKeyPair.make(comment: "plasma", processes: processes)
                try keep(pair.privateKey)
            }
            // Of the private key that is there, whoever made it.
            let told = try await processes.run(Program("ssh-keygen", ["-y", "-f", privateKeyFile]), limit: .seconds(30))
            let key = told.output.split(separator: " ").prefix(2).joined(separator: " ").trimmingCharacters(in: .whitespacesAndNewlines)
            guard told.isSuccess, key.hasPrefix("ssh-ed25519 ") else {
                throw NixOSError.system("\(privateKeyFile) is no key that ssh-keygen can read: \(told.errorText.prefix(500))")
            }
            try writePrivately(Array((key + " plasma\n").utf8), to: privateKeyFile + ".pub", mode: 0o644)
            return key + " plasma"
        }
    }

    /// Puts the key into its place, unless another was quicker.
    private func keep(_ key: [UInt8]) throws {
        let fresh = "\(privateKeyFile).\(UUID().uuidString)"
        try writePrivately(key, to: fresh)
        defer { unlink(fresh) }
        guard link(fresh, privateKeyFile) == 0 || errno == EEXIST else {
            throw NixOSError.system("could not make \(privateKeyFile): \(String(cString: strerror(errno)))")
        }
    }

    private func read() -> String? {
        guard let data = FileManager.default.contents(atPath: privateKeyFile + ".pub"),
            FileManager.default.fileExists(atPath: privateKeyFile)
        else { return nil }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.hasPrefix("ssh-ed25519 ") ? text : nil
    }
}

/// An ed25519 key pair in OpenSSH's formats.
package struct SSHKeyPair: Sendable {
    package var privateKey: [UInt8]
    /// One line: type, key and comment.
    package var publicKey: String

    package init(privateKey: [UInt8], publicKey: String) {
        self.privateKey = privateKey
        self.publicKey = publicKey
    }

    /// Made by ssh-keygen in a directory of its own, which is gone afterwards.
    package static func make(comment: String, processes: any Processes) async throws -> SSHKeyPair {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-key-\(UUID().uuidString)").path
        try makePrivateDirectory(place)
        defer { try? FileManager.default.removeItem(atPath: place) }
        let result = try await processes.run(
            Program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", place + "/key"]), limit: .seconds(30))
        guard result.isSuccess, let secret = FileManager.default.contents(atPath: place + "/key"),
            let open = FileManager.default.contents(atPath: place + "/key.pub")
        else { throw NixOSError.system("ssh-keygen made no key: \(result.errorText.prefix(500))") }
        return SSHKeyPair(
            privateKey: Array(secret), publicKey: String(decoding: open, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

/// Lets one caller at a time through; the others wait for it in turn.
package actor OneAtATime {
    private var last: Task<Void, Never>?

    package init() {}

    package func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let before = last
        let task = Task<T, any Error> {
            await before?.value
            return try await body()
        }
        last = Task { _ = try? await task.value }
        return try await task.value
    }
}

func makePrivateDirectory(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
}

/// Replaces a file at once: whoever reads it sees the old or the new one.
func writePrivately(_ bytes: [UInt8], to path: String, mode: Int = 0o600) throws {
    let fresh = "\(path).new-\(UUID().uuidString)"
    guard FileManager.default.createFile(atPath: fresh, contents: Data(bytes), attributes: [.posixPermissions: mode]) else {
        throw NixOSError.system("could not write \(fresh)")
    }
    try moveOver(fresh, path)
}
