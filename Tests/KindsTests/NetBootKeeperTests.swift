import Crypto
import Foundation
import Host
import Logging
import Manifest
import NetBoot
import Reconcile
import Resource
import Testing

@testable import Kinds

/// What the keeper sees of the files that a spec names.
@Suite struct NetBootKeeperTests {
    private func look(_ kernel: String, _ prepare: (URL) throws -> Void) async throws -> (NetBoot.Sight.File, directory: String) {
        let (seen, directory) = try await sight("kernel: {\(kernel)}", prepare)
        return (seen.kernel, directory)
    }

    private func sight(_ fields: String, _ prepare: (URL) throws -> Void) async throws -> (NetBoot.Sight, directory: String) {
        let directory = FileManager.default.temporaryDirectory.appending(path: "plasma-netboot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try prepare(directory)
        let text = """
            apiVersion: plasma.cloud/v1alpha1
            kind: NetBoot
            metadata: {name: installer}
            spec: {network: lan, \(fields.replacingOccurrences(of: "DIR", with: directory.path))}
            """
        let reading = Catalog.table.read([(file: "case.yaml", bytes: Array(text.utf8))])
        try #require(reading.problems == [])
        let netBoot = try #require(reading.drafts.first?.resource as? Resource<NetBoot>)
        let servers = BootServers(time: SystemTime(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let keeper = NetBoot.Keeper(servers: servers, fetched: FetchedFiles(directory: directory.path + "/fetched")) { ["a key"] }
        let seen = try await keeper.observe(.present(netBoot), Reader(Ledger()))
        #expect(seen.authorizedKeys == ["a key"])
        let again = try await keeper.observe(.present(netBoot), Reader(Ledger()))
        #expect(seen == again, "a second look sees the same")
        return (seen, directory.path)
    }

    private func digest(_ text: String) -> String { SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined() }

    @Test func `a file with its digest is sound, whether the manifest or a file names it`() async throws {
        let wanted = digest("a kernel")
        for kernel in ["path: DIR/vmlinuz, digest: \"sha256:\(wanted)\"", "path: DIR/vmlinuz, digestFile: DIR/SHA256SUMS"] {
            let (file, directory) = try await look(kernel) { directory in
                try Data("a kernel".utf8).write(to: directory.appending(path: "vmlinuz"))
                try Data("\(digest("other"))  initrd\n\(wanted)  vmlinuz\n".utf8).write(to: directory.appending(path: "SHA256SUMS"))
            }
            #expect(file == .sound(PinnedFile(path: directory + "/vmlinuz", digest: wanted)))
        }
    }

    @Test func `a command line of a file is read, and one that cannot be is told`() async throws {
        let fields = "kernel: {path: DIR/k, digest: \"sha256:\(digest(""))\"}, commandLineFile: DIR/command-line"
        let (read, _) = try await sight(fields) { try Data("init=/x\n".utf8).write(to: $0.appending(path: "command-line")) }
        #expect(read.commandLine == .words("init=/x\n"))
        let (none, directory) = try await sight(fields) { _ in }
        #expect(none.commandLine == .unfit("spec.commandLineFile: \(directory)/command-line cannot be read, or is no text of at most 2048 bytes"))
    }

    @Test func `a file with another digest is told by its path and both digests`() async throws {
        let (file, directory) = try await look("path: DIR/vmlinuz, digest: \"sha256:\(digest("a kernel"))\"") {
            try Data("b kernel".utf8).write(to: $0.appending(path: "vmlinuz"))
        }
        #expect(file == .unfit(
            "spec.kernel: \(directory)/vmlinuz has the digest sha256:\(digest("b kernel")), and sha256:\(digest("a kernel")) is expected; nothing is offered until they agree"))
    }

    @Test func `what is missing is told by its path`() async throws {
        let (file, directory) = try await look("path: DIR/vmlinuz, digest: \"sha256:\(digest(""))\"") { _ in }
        #expect(file == .unfit("spec.kernel: \(directory)/vmlinuz: No such file or directory"))
        let (sums, other) = try await look("path: DIR/vmlinuz, digestFile: DIR/SHA256SUMS") { _ in }
        #expect(sums == .unfit("spec.kernel.digestFile: \(other)/SHA256SUMS cannot be read"))
        let (line, last) = try await look("path: DIR/vmlinuz, digestFile: DIR/SHA256SUMS") {
            try Data("\(digest("x"))  initrd\n".utf8).write(to: $0.appending(path: "SHA256SUMS"))
        }
        #expect(line == .unfit("spec.kernel.digestFile: \(last)/SHA256SUMS has no SHA-256 of \(last)/vmlinuz"))
        let (folder, place) = try await look("path: DIR, digest: \"sha256:\(digest(""))\"") { _ in }
        #expect(folder == .unfit("spec.kernel: \(place) is not a regular file"))
    }

    @Test func `a boot loader of the manifest's own is looked at like a kernel, and not missed on the host`() async throws {
        let kernel = "kernel: {path: DIR/k, digest: \"sha256:\(digest("k"))\"}"
        let (usual, _) = try await sight(kernel) { try Data("k".utf8).write(to: $0.appending(path: "k")) }
        #expect(usual.loaders == [:])
        let pinned = "\(kernel), loaders: {uefi: {path: DIR/own.efi, digest: \"sha256:\(digest("own"))\"}, bios: {path: DIR/gone, digest: \"sha256:\(digest("own"))\"}}"
        let (seen, directory) = try await sight(pinned) { directory in
            for (name, text) in [("k", "k"), ("own.efi", "own")] { try Data(text.utf8).write(to: directory.appending(path: name)) }
        }
        #expect(seen.loaders[Loaders.uefi] == .sound(PinnedFile(path: directory + "/own.efi", digest: digest("own"))))
        #expect(seen.loaders[Loaders.bios] == .unfit("spec.loaders.bios: \(directory)/gone: No such file or directory"))
        #expect(seen.notes == [], "both are named")
        // A kernel of that size is one; a loader is not.
        let (large, place) = try await sight("\(kernel), loaders: {uefi: {path: DIR/large, digest: \"sha256:\(digest("k"))\"}}") { directory in
            try Data("k".utf8).write(to: directory.appending(path: "k"))
            try Data().write(to: directory.appending(path: "large"))
            try FileHandle(forWritingTo: directory.appending(path: "large")).truncate(atOffset: UInt64(Loaders.bytesMax) + 1)
        }
        #expect(large.loaders[Loaders.uefi] == .unfit("spec.loaders.uefi: \(place)/large is larger than \(Loaders.bytesMax) bytes"))
    }

    @Test func `a fetched file that was spoiled is fetched again`() async throws {
        let wanted = digest("a kernel")
        let (file, _) = try await look("url: \"https://example.org/vmlinuz\", digest: \"sha256:\(wanted)\"") { directory in
            try FileManager.default.createDirectory(at: directory.appending(path: "fetched/installer"), withIntermediateDirectories: true)
            try Data("b kernel".utf8).write(to: directory.appending(path: "fetched/installer/kernel-\(wanted)"))
        }
        guard case .absent = file else {
            Issue.record("it is not fetched again: \(file)")
            return
        }
    }

    @Test func `a file with a URL is to be fetched until it lies there, and then looked at like any other`() async throws {
        let url = "https://example.org/images/vmlinuz", wanted = digest("a kernel")
        let (absent, directory) = try await look("url: \"\(url)\", digest: \"sha256:\(wanted)\"") { _ in }
        let place = "fetched/installer/kernel-\(wanted)"
        #expect(absent == .absent(FetchedFiles(directory: directory + "/fetched").order(url, digest: wanted, for: "kernel", of: "installer")))
        for digest in ["digest: \"sha256:\(wanted)\"", "digestFile: DIR/SHA256SUMS"] {
            let (file, there) = try await look("url: \"\(url)\", \(digest)") { directory in
                try FileManager.default.createDirectory(at: directory.appending(path: "fetched/installer"), withIntermediateDirectories: true)
                try Data("a kernel".utf8).write(to: directory.appending(path: place))
                try Data("\(wanted)  vmlinuz\n".utf8).write(to: directory.appending(path: "SHA256SUMS"))
            }
            #expect(file == .sound(PinnedFile(path: "\(there)/\(place)", digest: wanted)))
        }
    }
}
