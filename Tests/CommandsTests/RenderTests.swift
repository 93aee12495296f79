import Foundation
import Kinds
import NixOS
import Testing

@testable import Commands

/// `plasma render -o DIRECTORY`.
struct RenderTests {
    private let root = FileManager.default.temporaryDirectory.appending(path: "plasma-render-\(UUID().uuidString)").path

    private func inRoot(_ run: (RenderedDirectory) throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try run(RenderedDirectory(path: root))
    }

    private func file(_ path: String, _ text: String, mode: Int = 0o644) -> RenderedFile {
        RenderedFile(path: path, contents: Array(text.utf8), mode: mode)
    }

    private func text(_ path: String) -> String? { FileManager.default.contents(atPath: root + "/" + path).map { String(decoding: $0, as: UTF8.self) } }

    private func put(_ path: String, _ text: String) throws {
        let name = root + "/" + path
        try FileManager.default.createDirectory(atPath: (name as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: name))
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: root + "/" + path)[.posixPermissions] as? Int
    }

    @Test func `a second run writes nothing`() throws {
        try inRoot { directory in
            let files = [file("flake.nix", "1"), file("a/secrets/a.key", "k", mode: 0o600)]
            #expect(try directory.write(files, force: false) == .init(written: 2))
            #expect(try mode("a/secrets/a.key") == 0o600)
            #expect(try mode("a/secrets") == 0o700)
            let list = text(RenderedDirectory.listName)
            #expect(try directory.write(files, force: false) == .init(unchanged: 2))
            #expect(text(RenderedDirectory.listName) == list)
            chmod(root + "/a/secrets/a.key", 0o644)
            _ = try directory.write(files, force: false)
            #expect(try mode("a/secrets/a.key") == 0o600)
        }
    }

    @Test func `what is no longer rendered goes, unless it was changed`() throws {
        try inRoot { directory in
            _ = try directory.write([file("flake.nix", "1"), file("b/x.nix", "1"), file("c/x.nix", "1")], force: false)
            try put("c/x.nix", "mine")
            let summary = try directory.write([file("flake.nix", "2")], force: false)
            #expect(summary == .init(written: 1, removed: 1, left: ["c/x.nix"]))
            #expect(text("b/x.nix") == nil && text("c/x.nix") == "mine")
            #expect(!FileManager.default.fileExists(atPath: root + "/b"))
        }
    }

    @Test func `a file of somebody else is named and left alone, and nothing is written`() throws {
        try inRoot { directory in
            try put("flake.nix", "mine")
            do {
                _ = try directory.write([file("flake.nix", "1"), file("a.nix", "1")], force: false)
                Issue.record("it was overwritten")
            } catch let failure as Failure {
                #expect(failure.description.contains("\(root)/flake.nix was not written by plasma, or was changed since"))
                #expect(failure.description.contains("--force"))
            }
            #expect(text("flake.nix") == "mine" && text("a.nix") == nil)
            #expect(try directory.write([file("flake.nix", "1"), file("a.nix", "1")], force: true).written == 2)
            #expect(text("flake.nix") == "1")
        }
    }

    @Test func `a file that was changed since is named, one that says the same is taken over`() throws {
        try inRoot { directory in
            _ = try directory.write([file("flake.nix", "1")], force: false)
            try put("flake.nix", "changed")
            #expect(throws: Failure.self) { try directory.write([file("flake.nix", "2")], force: false) }
            try put("flake.nix", "2")
            #expect(try directory.write([file("flake.nix", "2")], force: false).unchanged == 1)
            unlink(root + "/" + RenderedDirectory.listName)
            #expect(try directory.write([file("flake.nix", "2")], force: false).unchanged == 1)
        }
    }

    @Test func `a run that was cut off is gone on with, by another manifest too`() throws {
        try inRoot { directory in
            _ = try directory.write([file("a.nix", "1"), file("b.nix", "1")], force: false)
            // As it stands when the run ends after its first file.
            let list = try #require(text(RenderedDirectory.listName))
            _ = try directory.write([file("a.nix", "2"), file("b.nix", "1")], force: false)
            let after = try #require(text(RenderedDirectory.listName))
            let cut = list.replacing("\n}\n", with: "") .replacing("\"version\" : 1", with: "\"version\" : 1,\n  \"writing\" : \(filesObject(after))\n}\n")
            try put(RenderedDirectory.listName, cut)
            #expect(try directory.write([file("a.nix", "3"), file("b.nix", "3")], force: false).written == 2)
        }
    }

    private func filesObject(_ list: String) -> String {
        let object = try? JSONSerialization.jsonObject(with: Data(list.utf8)) as? [String: Any]
        let files = try? JSONSerialization.data(withJSONObject: object?["files"] ?? [:])
        return String(decoding: files ?? Data(), as: UTF8.self)
    }

    @Test func `nothing is written through a link, even by force`() throws {
        try inRoot { directory in
            let elsewhere = root + "-elsewhere"
            defer { try? FileManager.default.removeItem(atPath: elsewhere) }
            try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
            symlink(elsewhere, root + "/node01")
            #expect(throws: Failure.self) { try directory.write([file("node01/disko.nix", "1")], force: true) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere).isEmpty)
        }
    }

    @Test func `-o is a format or a directory`() throws {
        #expect(try RenderTarget("yaml") == .yaml)
        #expect(try RenderTarget("json") == .json)
        #expect(try RenderTarget("cluster") == .directory("cluster"))
        #expect(try RenderTarget("./yaml") == .directory("./yaml"))
        #expect(try RenderTarget("/tmp") == .directory("/tmp"))
        for wrong in ["wide", "name", "jsonpath={.x}", ""] { #expect(throws: Failure.self) { try RenderTarget(wrong) } }
    }

    @Test func `a public key is told from other text`() {
        #expect(RenderOptions.isKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@here"))
        #expect(RenderOptions.isKey("ecdsa-sha2-nistp256 AAAAE2Vj"))
        for wrong in ["ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----", "# ssh-ed25519 AAAA", "ssh-ed25519 AAAA\nssh-rsa AAAA"] { #expect(!RenderOptions.isKey(wrong)) }
    }

    // MARK: Secrets

    private func scene(_ change: (String) -> String = { $0 }) throws -> (Kinds.DraftLookup, ClusterDescription) {
        let manifest = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "manifests/plasma-3node-nine-services.yaml")
        let text = change(try String(contentsOf: manifest, encoding: .utf8))
        let lookup = DraftLookup(Catalog.read([("plasma.yaml", Array(text.utf8))]).drafts)
        let cluster = try #require(lookup.list(Kinds.Cluster.self).first)
        return (lookup, try Kinds.Rendering.description(of: cluster, lookup: lookup))
    }

    private func secrets(_ scene: (lookup: Kinds.DraftLookup, description: ClusterDescription), after: TimeInterval = 0) throws -> [String: [UInt8]] {
        let authority = LocalAuthority(directory: root, now: Date(timeIntervalSince1970: 1_800_000_000 + after))
        let cluster = try #require(scene.lookup.list(Kinds.Cluster.self).first)
        let files = try authority.secrets(of: cluster, scene.description, scene.lookup)
        return Dictionary(files.map { ($0.path, $0.contents) }, uniquingKeysWith: { $1 })
    }

    @Test func `secrets are made once, and again when their names change or they are due`() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let first = try secrets(try scene())
        #expect(first.keys.sorted() == (1...3).flatMap { node in ["ca.crt", "join.token", "node0\(node).crt", "node0\(node).key"].map { "node0\(node)/secrets/\($0)" } })
        #expect(try secrets(try scene(), after: 3600) == first)

        let renamed = try secrets(try scene { $0.replacing("dnsNames: [node02.plasma.local,", with: "dnsNames: [other.plasma.local, node02.plasma.local,") })
        let changed = renamed.filter { first[$0.key] != $0.value }.map(\.key).sorted()
        #expect(changed == ["node02/secrets/node02.crt", "node02/secrets/node02.key"])

        // 2160 h of life, renewed 720 h before its end.
        #expect(try secrets(try scene(), after: 1439 * 3600)["node01/secrets/node01.crt"] == first["node01/secrets/node01.crt"])
        let later = try secrets(try scene(), after: 1441 * 3600)
        #expect(later["node01/secrets/node01.crt"] != first["node01/secrets/node01.crt"])
        #expect(later["node01/secrets/ca.crt"] == first["node01/secrets/ca.crt"])
        #expect(later["node01/secrets/join.token"] == first["node01/secrets/join.token"])
    }

    @Test func `the authority is for its owner alone, and is never made anew unasked`() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        _ = try secrets(try scene())
        for path in ["authorities/plasma-ca.json", "certificates/node01.json", "tokens/plasma"] { #expect(try mode(path) == 0o600) }
        #expect(try mode("authorities") == 0o700)
        #expect(throws: Failure.self) { try secrets(try scene(), after: 87601 * 3600) }
        try put("authorities/plasma-ca.json", "{}")
        do {
            _ = try secrets(try scene())
            Issue.record("it was made anew")
        } catch let failure as Failure {
            #expect(failure.description.contains("authorities/plasma-ca.json is not what plasma wrote there"))
        }
    }
}
