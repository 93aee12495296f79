import Host

/// A way to run commands on nodes. Whoever owns SSH gives it; probes only use it.
package protocol RemoteShell: Sendable {
    /// Runs a command on a node's installed system.
    /// - Parameters:
    ///   - node: the node's name; its host key is known by it.
    ///   - address: where it is reached.
    ///   - command: the program and its arguments, each passed on as it is, whatever characters it has.
    ///   - limit: after which it is given up.
    /// - Throws: when the node cannot be reached, or does not answer in time.
    func run(_ command: [String], on node: String, at address: SSHTarget, within limit: Duration) async throws -> RemoteAnswer
}

package struct RemoteAnswer: Hashable, Sendable {
    package var exitCode: Int32
    package var output: [UInt8]
    package var errorText: String

    package init(exitCode: Int32, output: [UInt8] = [], errorText: String = "") {
        self.exitCode = exitCode
        self.output = output
        self.errorText = errorText
    }
}

/// A command on a node that must end with 0.
package enum ExecProbe {
    package static func look(
        _ command: [String], on node: String, at address: SSHTarget, through shell: (any RemoteShell)?, within limit: Duration
    ) async throws(ProbeFailure) -> [UInt8] {
        guard let shell else { throw ProbeFailure(.impossible, "there is no way to run commands on nodes here") }
        let answer: RemoteAnswer
        do {
            answer = try await shell.run(command, on: node, at: address, within: limit)
        } catch {
            throw ProbeFailure(.unreachable, "ssh: \(String("\(error)".prefix(200)))")
        }
        guard answer.exitCode == 0 else {
            let said = answer.errorText.split(whereSeparator: \.isNewline).last ?? String(decoding: answer.output.prefix(200), as: UTF8.self)
                .split(whereSeparator: \.isNewline).last.map { $0[...] } ?? ""
            throw ProbeFailure(.exit, "exit code \(answer.exitCode)" + (said.isEmpty ? "" : ": \(said.prefix(160))"))
        }
        return Array(answer.output.prefix(HTTPProbe.bytesMax))
    }
}
