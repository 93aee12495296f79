import NixOS
import PKI
import Probe

import protocol Host.Processes

/// Runs a probe's commands on nodes: over SSH, and only on the machine that has the host key plasma gave the node.
struct NodeShell: RemoteShell {
    private let ssh: SSH
    private let files: Installation.NodeFiles

    init(ssh: SSH, vault: Vault, processes: any Processes) {
        self.ssh = ssh
        files = Installation.NodeFiles(vault: vault, processes: processes)
    }

    func run(_ command: [String], on node: String, address: String, within limit: Duration) async throws -> RemoteAnswer {
        guard let key = try await files.hostKey(of: node) else {
            throw NixOSError.system("\(node) was not installed by plasma: there is no host key to know it by")
        }
        let result = try await ssh.run(
            command.map(quoted).joined(separator: " "), on: SSHTarget(address: address), trusting: .pinned(alias: node, key: key.publicKey),
            limit: limit, outputMax: 64 << 10)
        guard case .exited(let code) = result.end else { throw SSHFailure.lost }
        return RemoteAnswer(exitCode: code, output: result.standardOutput, errorText: result.errorText)
    }
}
