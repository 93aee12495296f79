import NixOS
import PKI
import Probe

import protocol Host.Processes
import struct Host.SSHTarget

/// Runs commands on nodes that plasma installed: each is known by the host key that it was given.
struct NodeShell: RemoteShell {
    private static let outputMax = 64 << 10

    private let ssh: SSH
    private let files: Installation.NodeFiles

    init(identity: SSHIdentity, vault: Vault, processes: any Processes) {
        ssh = SSH(identity: identity, processes: processes)
        files = Installation.NodeFiles(vault: vault, processes: processes)
    }

    func run(_ command: [String], on node: String, at address: SSHTarget, within limit: Duration) async throws -> RemoteAnswer {
        guard let key = try await files.hostKey(of: node) else { throw NixOSError.system("\(node) has no host key of plasma's: it was not installed yet") }
        let result = try await ssh.run(
            Self.script(command), on: address, trusting: .pinned(alias: node, key: key.publicKey), limit: limit, outputMax: Self.outputMax)
        let code: Int32 =
            switch result.end {
            case .exited(let code): code
            case .signaled(let signal): 128 + signal
            }
        return RemoteAnswer(exitCode: code, output: result.standardOutput, errorText: result.errorText)
    }

    /// Each word as it is, whatever characters it has (POSIX, Shell Command Language, 2.2.2).
    static func script(_ command: [String]) -> String {
        "exec " + command.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ") + "\n"
    }
}
