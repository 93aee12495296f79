import Foundation
import Host

/// Who answers at a node's address.
package enum MachineSight: Hashable, Sendable {
    case unreachable(SSHFailure)
    /// The installer, under a host key that nobody vouches for.
    case installer(NodeFacts)
    /// Another system that lets us in, and does not have the node's host key.
    case stranger(NodeFacts)
    /// The node, with the host key that plasma gave it.
    case system(NodeFacts)
}

/// Looks at machines over SSH. Changes nothing on them.
package struct MachineLooks: Sendable {
    private let ssh: SSH
    private let identity: SSHIdentity
    private let remembers: Bool

    /// - Parameter remembers: false for a diff: host keys that are seen for the first time are not believed from then on.
    package init(ssh: SSH, identity: SSHIdentity, remembers: Bool = true) {
        self.ssh = ssh
        self.identity = identity
        self.remembers = remembers
    }

    /// - Parameters:
    ///   - hostKey: the one that plasma gave the node; nil before it has one.
    ///   - installerKey: the one that the installer must have; nil: the first one seen, and a new one after each boot.
    ///   - wanted: what to ask. The files are asked of the installed system only.
    package func look(
        at node: String, _ target: SSHTarget, hostKey: String?, installerKey: String? = nil, _ wanted: NodeLook
    ) async throws -> MachineSight {
        guard !remembers else { return try await look(at: node, target, hostKey, installerKey, wanted, ssh, identity.directory) }
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-look-\(UUID().uuidString)").path
        try makePrivateDirectory(place + "/installers")
        defer { try? FileManager.default.removeItem(atPath: place) }
        // It may not be there.
        try? FileManager.default.copyItem(atPath: "\(identity.directory)/installers/\(node)", toPath: "\(place)/installers/\(node)")
        return try await look(at: node, target, hostKey, installerKey, wanted, ssh.remembering(in: place), place)
    }

    private func look(
        at node: String, _ target: SSHTarget, _ hostKey: String?, _ installerKey: String?, _ wanted: NodeLook, _ ssh: SSH, _ directory: String
    ) async throws -> MachineSight {
        if let hostKey {
            switch try await ask(wanted, target, .pinned(alias: node, key: hostKey), ssh) {
            case .success(let facts): return facts.isInstaller ? .installer(facts) : .system(facts)
            case .failure(.anotherHostKey): break
            case .failure(let failure): return .unreachable(failure)
            }
        }
        let trust = SSHTrust.installer(of: node, in: directory)
        guard case .firstSeen(let alias, let file) = trust else { return .unreachable(.anotherHostKey) }
        let hosts = KnownHosts(path: file)
        if let installerKey { try hosts.pin(alias, installerKey) }
        var plain = wanted
        plain.files = []
        var answer = try await ask(plain, target, trust, ssh)
        if answer == .failure(.anotherHostKey), installerKey == nil {
            try hosts.forget(alias)
            answer = try await ask(plain, target, trust, ssh)
        }
        switch answer {
        case .success(let facts): return facts.isInstaller ? .installer(facts) : .stranger(facts)
        case .failure(let failure): return .unreachable(failure)
        }
    }

    private func ask(_ wanted: NodeLook, _ target: SSHTarget, _ trust: SSHTrust, _ ssh: SSH) async throws -> Result<NodeFacts, SSHFailure> {
        do {
            let result = try await ssh.run(wanted.script, on: target, trusting: trust, outputMax: NodeLook.answerMax)
            guard let facts = NodeLook.read(result.standardOutput) else {
                return .failure(.other("its answer breaks off: \(result.errorText.prefix(200))"))
            }
            return .success(facts)
        } catch let failure as SSHFailure {
            return .failure(failure)
        }
    }

    /// Puts files onto the node: all are written beside their places first, then moved there. An owner that a file
    /// has already stays; new ones are root's.
    /// - Throws: `SSHFailure`, or what went wrong over there.
    package func copy(_ files: [RenderedFile], to node: String, _ target: SSHTarget, hostKey: String) async throws {
        let result = try await ssh.run(
            Self.copying(files), on: target, trusting: .pinned(alias: node, key: hostKey), limit: .seconds(60))
        guard result.isSuccess else {
            throw NixOSError.system("\(node) could not take the files: \(result.errorText.suffix(500))")
        }
    }

    static func copying(_ files: [RenderedFile]) -> String {
        var script = """
            set -eu
            umask 077
            PATH=$PATH:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
            take() {
              mkdir -p -m 755 "${1%/*}"
              base64 -d >"$1.plasma-new"
              if [ -e "$1" ]; then chown "$(stat -c %u:%g "$1")" "$1.plasma-new"; fi
              chmod "$2" "$1.plasma-new"
              sync "$1.plasma-new" 2>/dev/null || sync
            }

            """
        for file in files {
            script += "take \(quoted("/" + file.path)) \(String(file.mode, radix: 8)) <<'.'\n"
            script += Data(file.contents).base64EncodedString(options: [.lineLength76Characters, .endLineWithLineFeed]) + "\n.\n"
        }
        for file in files { script += "mv -f \(quoted("/" + file.path + ".plasma-new")) \(quoted("/" + file.path))\n" }
        return script
    }
}
