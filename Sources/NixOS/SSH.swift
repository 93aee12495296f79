import Foundation
import Host

/// Whose word is taken for it that the machine is the one that is meant.
package enum SSHTrust: Hashable, Sendable {
    /// Only a machine that has this very host key: "ssh-ed25519 AAAA…".
    case pinned(alias: String, key: String)
    /// The first key that is seen under the alias, and from then on no other; kept in a file of its own.
    case firstSeen(alias: String, file: String)

    /// An installer makes itself a host key at every boot: its first one is believed, until a run has begun.
    package static func installer(of node: String, _ identity: SSHIdentity) -> SSHTrust { installer(of: node, in: identity.directory) }

    static func installer(of node: String, in directory: String) -> SSHTrust {
        .firstSeen(alias: "installer.\(node)", file: "\(directory)/installers/\(node)")
    }
}

/// Why a command did not run over there.
package enum SSHFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nobody answers at the address.
    case noAnswer
    /// Somebody answers, but no SSH server yet.
    case refused
    /// Another host key than the trusted one.
    case anotherHostKey
    /// Our key is not accepted.
    case keyNotAccepted
    case lost
    /// It was connected, perhaps, and the end was not seen within this time.
    case late(Duration)
    case other(String)

    package var description: String {
        switch self {
        case .noAnswer: "nobody answers"
        case .refused: "no SSH server answers yet"
        case .anotherHostKey: "it has another host key"
        case .keyNotAccepted: "it does not accept plasma's SSH key"
        case .lost: "the connection was lost"
        case .late(let limit): "it did not finish answering within \(limit.components.seconds) s"
        case .other(let why): why
        }
    }
}

/// Runs shell scripts on machines with OpenSSH's client, without ever asking anybody anything.
package struct SSH: Sendable {
    private let identity: SSHIdentity
    private let processes: any Processes
    /// The client: "ssh", along PATH.
    private let program: String
    package let knownHosts: KnownHosts

    package init(identity: SSHIdentity, processes: any Processes, program: String = "ssh") {
        self.identity = identity
        self.processes = processes
        self.program = program
        knownHosts = KnownHosts(path: identity.directory + "/known_hosts")
    }

    private init(_ other: SSH, rememberingIn directory: String) {
        (identity, processes, program) = (other.identity, other.processes, other.program)
        knownHosts = KnownHosts(path: directory + "/known_hosts")
    }

    /// The same client, which keeps pinned host keys in another directory.
    func remembering(in directory: String) -> SSH { SSH(self, rememberingIn: directory) }

    /// Runs `script` in `/bin/sh` over there; secrets in it are seen by nobody on the way, and in no list of processes.
    /// - Parameter limit: for connecting and running.
    /// - Returns: how the script ended and what it wrote.
    /// - Throws: `SSHFailure` when it did not run or its end was not seen, and what stands in the way here.
    package func run(
        _ script: String, on target: SSHTarget, trusting trust: SSHTrust, limit: Duration = .seconds(60), outputMax: Int = 1 << 20
    ) async throws -> ProgramResult {
        guard identity.knownKey != nil else { throw SSHFailure.other("plasma has no SSH key yet: its server makes one when it starts") }
        if case .pinned(let alias, let key) = trust { try knownHosts.pin(alias, key) }
        if case .firstSeen(_, let file) = trust { try makePrivateDirectory((file as NSString).deletingLastPathComponent) }
        let options = options(trust).flatMap { ["-o", $0] }
        let program = Program(
            program,
            ["-F", "/dev/null", "-T", "-i", identity.privateKeyFile, "-p", "\(target.port)"] + options
                + [target.userAtAddress, "sh -s"],
            standardInput: Array(script.utf8))
        let result: ProgramResult
        do throws(ProcessError) {
            result = try await processes.run(program, limit: limit, outputMax: outputMax)
        } catch {
            if case .tookTooLong = error { throw SSHFailure.late(limit) }
            throw error
        }
        guard case .exited(255) = result.end else { return result }
        throw failure(result.errorText)
    }

    /// What is asked of ssh in every case, as `KEY=VALUE`.
    package func options(_ trust: SSHTrust) -> [String] {
        let common = [
            "BatchMode=yes", "ConnectTimeout=5", "ConnectionAttempts=1", "ServerAliveInterval=5", "ServerAliveCountMax=3",
            "IdentitiesOnly=yes", "PasswordAuthentication=no", "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "CheckHostIP=no",
            "LogLevel=ERROR", "ForwardAgent=no", "ControlMaster=no", "ControlPath=none",
        ]
        return common + Self.trustOptions(trust, knownHosts: knownHosts.path)
    }

    static func trustOptions(_ trust: SSHTrust, knownHosts: String) -> [String] {
        switch trust {
        case .pinned(let alias, let key):
            // Else a server with several keys might show one that is not pinned.
            let type = key.split(separator: " ").first.map(String.init) ?? "ssh-ed25519"
            return [
                "UserKnownHostsFile=\(quoted(knownHosts))", "HostKeyAlias=\(alias)", "StrictHostKeyChecking=yes", "HostKeyAlgorithms=\(type)",
            ]
        case .firstSeen(let alias, let file):
            return ["UserKnownHostsFile=\(quoted(file))", "HostKeyAlias=\(alias)", "StrictHostKeyChecking=accept-new"]
        }
    }

    /// ssh splits the value at spaces and expands `%` and `~`.
    private static func quoted(_ path: String) -> String {
        let escaped = path.replacingOccurrences(of: "%", with: "%%")
        return escaped.contains(" ") ? "\"\(escaped)\"" : escaped
    }
}

/// ssh says 255 for every failure of its own, and in words which one.
func failure(_ words: String) -> SSHFailure {
    let known: [(String, SSHFailure)] = [
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", .anotherHostKey), ("Host key verification failed", .anotherHostKey),
        ("no matching host key type found", .anotherHostKey), ("key is known by", .anotherHostKey),
        ("Permission denied", .keyNotAccepted), ("Too many authentication failures", .keyNotAccepted),
        ("Connection timed out", .noAnswer), ("No route to host", .noAnswer), ("Network is unreachable", .noAnswer),
        ("Operation timed out", .noAnswer), ("Connection refused", .refused), ("banner exchange", .refused),
        ("kex_exchange_identification", .refused), ("Connection reset", .refused), ("Connection closed", .refused),
        ("Broken pipe", .lost), ("Timeout, server", .lost),
    ]
    if let found = known.first(where: { words.contains($0.0) }) { return found.1 }
    let last = words.split(separator: "\n").last.map { String($0.prefix(300)) }
    return .other(last.map { "ssh says: \($0)" } ?? "ssh failed and said nothing")
}
