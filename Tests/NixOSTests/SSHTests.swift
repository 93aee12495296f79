import Foundation
import Host
import Testing

@testable import NixOS

@Suite struct `Looking at machines over SSH` {
    private let scratch: Scratch
    private let processes = SystemProcesses()
    private let identity: SSHIdentity
    private let target = SSHTarget(address: "192.0.2.1")

    init() throws {
        scratch = try Scratch()
        identity = SSHIdentity(directory: scratch.path + "/ssh", processes: processes)
    }

    /// An ssh that asks a machine made of a script: `$alias` is the alias, and standard input what it was given to run.
    private func looks(_ script: String, remembers: Bool = true) throws -> MachineLooks {
        try FileManager.default.createDirectory(atPath: identity.directory, withIntermediateDirectories: true)
        for (name, text) in [("id_ed25519", "a private key\n"), ("id_ed25519.pub", "ssh-ed25519 AAAA plasma\n")] {
            try Data(text.utf8).write(to: URL(filePath: "\(identity.directory)/\(name)"))
        }
        let program = try scratch.program(
            "ssh-\(UUID().uuidString)",
            """
            echo "$*" >>\(scratch.path)/asked
            for word; do case $word in HostKeyAlias=*) alias=${word#*=};; esac; done
            changed() { echo 'Host key verification failed.' >&2; exit 255; }
            \(script)
            """)
        return MachineLooks(ssh: SSH(identity: identity, processes: processes, program: program), identity: identity, remembers: remembers)
    }

    private static let answer = "text=$(printf \"$1\"); printf 'plasma release 0 %s\\n%s\\nplasma end 0 0\\n' \"${#text}\" \"$text\"; }"

    @Test func `a key pair is made once and kept`() async throws {
        async let first = identity.publicKey()
        async let second = SSHIdentity(directory: identity.directory, processes: processes).publicKey()
        let keys = try await (first, second)
        #expect(keys.0.hasPrefix("ssh-ed25519 "))
        #expect(keys.0 == keys.1, "two that make one at once agree")
        let again = try await SSHIdentity(directory: identity.directory, processes: processes).publicKey()
        #expect(again == keys.0)
        let told = try await processes.run(Program("ssh-keygen", ["-y", "-f", identity.privateKeyFile]), limit: .seconds(30))
        #expect(told.output.hasPrefix(again.split(separator: " ").prefix(2).joined(separator: " ")))
        let mode = try FileManager.default.attributesOfItem(atPath: identity.privateKeyFile)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func `who looks makes no key`() async throws {
        let looks = MachineLooks(ssh: SSH(identity: identity, processes: processes), identity: identity)
        let seen = try await looks.look(at: "node01", target, hostKey: "ssh-ed25519 AAAA", NodeLook())
        #expect(seen == .unreachable(.other("plasma has no SSH key yet: its server makes one when it starts")))
        #expect(identity.knownKey == nil && !FileManager.default.fileExists(atPath: identity.directory))
    }

    @Test func `the pinned system is asked first, with its key in the file of known hosts`() async throws {
        let looks = try looks("answer() { \(Self.answer)\nanswer 'ID=nixos\\n'\n")
        let seen = try await looks.look(at: "node01", target, hostKey: "ssh-ed25519 AAAA comment", NodeLook())
        #expect(seen == .system(NodeFacts(id: "nixos")))
        #expect(scratch.text("ssh/known_hosts") == "node01 ssh-ed25519 AAAA\n")
        let asked = try #require(scratch.text("asked"))
        #expect(asked.contains("HostKeyAlias=node01 -o StrictHostKeyChecking=yes -o HostKeyAlgorithms=ssh-ed25519"))
        #expect(asked.hasSuffix("root@192.0.2.1 sh -s\n"))
    }

    @Test func `another key leads to the installer, whose first key is believed`() async throws {
        let looks = try looks(
            """
            answer() { \(Self.answer)
            [ "$alias" = installer.node01 ] || changed
            answer 'ID=debian\\nVARIANT_ID=installer\\n'

            """)
        let seen = try await looks.look(at: "node01", target, hostKey: "ssh-ed25519 AAAA", NodeLook())
        #expect(seen == .installer(NodeFacts(id: "debian", variant: "installer")))
    }

    @Test func `an installer that booted anew has a new key, but not where one is prescribed`() async throws {
        let hosts = "\(identity.directory)/installers/node01"
        let looks = try looks(
            """
            answer() { \(Self.answer)
            grep -qs OLD \(hosts) && changed
            answer 'VARIANT_ID=installer\\n'

            """)
        try makePrivateDirectory(identity.directory + "/installers")
        try writePrivately(Array("installer.node01 ssh-ed25519 OLD\n".utf8), to: hosts)
        let seen = try await looks.look(at: "node01", target, hostKey: nil, NodeLook())
        #expect(seen == .installer(NodeFacts(id: "", variant: "installer")))
        let prescribed = try await looks.look(at: "node01", target, hostKey: nil, installerKey: "ssh-ed25519 OLD", NodeLook())
        #expect(prescribed == .unreachable(.anotherHostKey))
    }

    @Test func `a diff looks with what is known, and leaves nothing behind`() async throws {
        let looks = try looks(
            """
            answer() { \(Self.answer)
            for word; do case $word in UserKnownHostsFile=*) file=${word#*=};; esac; done
            [ "$alias" = installer.node01 ] || { grep -q 'node01 ssh-ed25519 AAAA' "$file" && changed; exit 1; }
            grep -qs OLD "$file" && changed
            echo "installer.node01 ssh-ed25519 NEW" >>"$file"
            answer 'VARIANT_ID=installer\\n'

            """, remembers: false)
        let before = try FileManager.default.subpathsOfDirectory(atPath: identity.directory).sorted()
        let seen = try await looks.look(at: "node01", target, hostKey: "ssh-ed25519 AAAA", NodeLook())
        #expect(seen == .installer(NodeFacts(id: "", variant: "installer")))
        #expect(try FileManager.default.subpathsOfDirectory(atPath: identity.directory).sorted() == before)
        let hosts = "\(identity.directory)/installers/node01"
        try makePrivateDirectory(identity.directory + "/installers")
        try writePrivately(Array("installer.node01 ssh-ed25519 OLD\n".utf8), to: hosts)
        #expect(try await looks.look(at: "node01", target, hostKey: nil, NodeLook()) == seen, "an installer that booted anew")
        #expect(scratch.text("ssh/installers/node01") == "installer.node01 ssh-ed25519 OLD\n")
        let places = try FileManager.default.contentsOfDirectory(atPath: FileManager.default.temporaryDirectory.path)
        let asked = try #require(scratch.text("asked"))
        #expect(!places.contains { $0.hasPrefix("plasma-look-") && asked.contains($0) })
    }

    @Test(arguments: [
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", SSHFailure.noAnswer),
        ("ssh: connect to host 192.0.2.1 port 22: No route to host", .noAnswer),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", .refused),
        ("kex_exchange_identification: read: Connection reset by peer", .refused),
        ("root@192.0.2.1: Permission denied (publickey).", .keyNotAccepted),
        ("", .other("ssh failed and said nothing")),
        ("what\nso ever", .other("ssh says: so ever")),
    ])
    func `why it is not reached has a name`(words: String, failure: SSHFailure) async throws {
        let looks = try looks("echo '\(words)' >&2; exit 255\n")
        let seen = try await looks.look(at: "node01", target, hostKey: "ssh-ed25519 AAAA", NodeLook())
        #expect(seen == .unreachable(failure))
    }

    @Test func `a stranger is no installer`() async throws {
        let looks = try looks("answer() { \(Self.answer)\nanswer 'ID=ubuntu\\n'\n")
        let seen = try await looks.look(at: "node01", target, hostKey: nil, NodeLook())
        #expect(seen == .stranger(NodeFacts(id: "ubuntu")))
    }

    @Test func `files are put into place with their modes, and only when all have arrived`() async throws {
        let here = String(scratch.path.dropFirst())
        let looks = try looks("exec sh -s\n")
        let files = [
            RenderedFile(path: "\(here)/etc/a b/node01.key", contents: Array("key\n".utf8), mode: 0o600),
            RenderedFile(path: "\(here)/etc/ca.crt", contents: (0..<5000).map { UInt8($0 % 256) }), RenderedFile(path: "\(here)/etc/empty", contents: []),
        ]
        try await looks.copy(files, to: "node01", target, hostKey: "ssh-ed25519 AAAA")
        for file in files {
            #expect(FileManager.default.contents(atPath: "/" + file.path) == Data(file.contents))
            let mode = try FileManager.default.attributesOfItem(atPath: "/" + file.path)[.posixPermissions] as? Int
            #expect(mode == file.mode)
            #expect(!FileManager.default.fileExists(atPath: "/\(file.path).plasma-new"))
        }
        let blocked = [
            RenderedFile(path: "\(here)/etc/ca.crt", contents: [1]), RenderedFile(path: "\(here)/etc/empty/below", contents: [2]),
        ]
        await #expect(throws: NixOSError.self) { try await looks.copy(blocked, to: "node01", target, hostKey: "ssh-ed25519 AAAA") }
        #expect(FileManager.default.contents(atPath: "/\(here)/etc/ca.crt")?.count == 5000)
        let asked = try #require(scratch.text("asked"))
        #expect(!asked.contains("key\n") && !asked.contains(Data("key\n".utf8).base64EncodedString()))
    }
}
