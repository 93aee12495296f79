import ArgumentParser
import API
import Foundation
import Manifest
import Resource
import Testing

@testable import Commands

struct ConnectionTests {
    @Test func `the data directory follows the option, root, XDG and home, in this order`() throws {
        func path(_ option: String?, _ environment: [String: String], isRoot: Bool = false) throws -> String {
            try DataDirectory(option: option, environment: environment, isRoot: isRoot, workingDirectory: "/srv").path
        }
        #expect(try path(nil, [:], isRoot: true) == "/var/lib/plasma")
        #expect(try path(nil, ["XDG_STATE_HOME": "/state", "HOME": "/home/a"]) == "/state/plasma")
        #expect(try path(nil, ["XDG_STATE_HOME": "relative", "HOME": "/home/a"]) == "/home/a/.local/state/plasma")
        #expect(try path("/data/", [:]) == "/data")
        #expect(try path("./data/../x", [:], isRoot: true) == "/srv/x")
        #expect(throws: Failure.self) { try path(nil, [:]) }
        #expect(throws: Failure.self) { try path("", [:]) }
        #expect(try DataDirectory(option: "/d", environment: [:], isRoot: true).socket == "/d/plasma.sock")
    }

    @Test func `the server is the first of option, context, data directory, environment and default`() throws {
        let folder = try Folder()
        try folder.write("plasma/contexts/lab.yaml", "server: https://lab:6443\ncaFile: ca.pem\ntokenFile: /etc/token\n")
        let environment = ["XDG_CONFIG_HOME": folder.path, "PLASMA_SERVER": "unix:///env.sock"]
        func connection(_ arguments: [String]) throws -> Connection {
            try Connection(options: try ConnectionOptions.parse(arguments), environment: environment, isRoot: true)
        }
        #expect(try connection([]).server == "unix:///env.sock")
        #expect(try connection(["--data-dir", "/d"]).server == "unix:///d/plasma.sock")
        let lab = try connection(["--context", "lab"])
        #expect(lab.server == "https://lab:6443")
        #expect(lab.caFile == folder.path + "/plasma/contexts/ca.pem")
        #expect(lab.tokenFile == "/etc/token")
        let both = try connection(["--server", "https://other:1", "--context", "lab", "--token-file", "t"])
        #expect(both.server == "https://other:1")
        #expect(both.tokenFile == "t")
        #expect(both.caFile == lab.caFile)
        #expect(
            try Connection(options: try ConnectionOptions.parse([]), environment: [:], isRoot: true).server
                == "unix:///var/lib/plasma/plasma.sock")
    }

    @Test func `what is no token is refused without telling any of it`() throws {
        let folder = try Folder()
        for (text, isToken) in [("abc123\n", true), ("secret\n# a comment\n", false), ("se cret", false), ("\n", false)] {
            try folder.write("token", text)
            let connection = try Connection(
                options: try ConnectionOptions.parse(["--server", "https://lab:1", "--token-file", folder.path + "/token"]), environment: [:], isRoot: true)
            if isToken {
                _ = try connection.endpoint()
            } else {
                let failure = #expect(throws: Failure.self) { try connection.endpoint() }
                #expect(failure?.description.contains("secret") == false && failure?.description.contains("holds no bearer token") == true)
            }
        }
    }

    @Test func `a context that is not there or not right says so`() throws {
        let folder = try Folder()
        try folder.write("plasma/contexts/lab.yaml", "sever: x\n")
        let environment = ["XDG_CONFIG_HOME": folder.path]
        func message(_ name: String) -> String {
            do {
                _ = try Context.load(name, environment: environment)
                return "loaded"
            } catch { return "\(error)" }
        }
        #expect(message("lbb").contains("did you mean \"lab\"?"))
        #expect(message("nothing-like-it").contains("there are: lab"))
        #expect(message("../lab").contains("is not a name"))
        #expect(message("lab").contains("lab.yaml:1:1"))
        #expect(message("lab").contains("server"))
    }

    @Test func `manifests are read from files and directories, each once, in order`() throws {
        let folder = try Folder()
        for file in ["b.yaml", "a/z.yml", "a/y.json", ".hidden/x.yaml", "a/.swp.yaml", "readme.txt", "a.yaml"] {
            try folder.write(file, file)
        }
        let files = try ManifestFiles(reading: [folder.path + "/b.yaml", folder.path], workingDirectory: "/").files
        #expect(files.map { String($0.file.dropFirst(folder.path.count + 1)) } == ["b.yaml", "a.yaml", "a/y.json", "a/z.yml"])
        #expect(files[0].bytes == Array("b.yaml".utf8))
        #expect(throws: Failure("-f /nowhere.yaml: there is no such file or directory")) {
            try ManifestFiles(reading: ["/nowhere.yaml"], workingDirectory: "/")
        }
        try folder.write("empty/readme.txt", "")
        #expect(throws: Failure.self) { try ManifestFiles(reading: [folder.path + "/empty"], workingDirectory: "/") }
    }

    /// With --prune, what is passed over in silence would be deleted.
    @Test func `directories behind links are read, each once, and none is passed over`() throws {
        let folder = try Folder()
        for file in ["team/a.yaml", "other/b.yaml"] { try folder.write(file, file) }
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: folder.path + "/team/linked", withDestinationPath: folder.path + "/other")
        try manager.createSymbolicLink(atPath: folder.path + "/team/circle", withDestinationPath: folder.path + "/team")
        try manager.createSymbolicLink(atPath: folder.path + "/current", withDestinationPath: folder.path + "/team")
        for given in ["/team", "/current", "/current/"] {
            let files = try ManifestFiles(reading: [folder.path + given], workingDirectory: "/").files
            #expect(files.map { String(decoding: $0.bytes, as: UTF8.self) } == ["team/a.yaml", "other/b.yaml"], "\(given)")
        }
        try manager.createSymbolicLink(atPath: folder.path + "/team/gone.yaml", withDestinationPath: folder.path + "/nowhere")
        #expect(try ManifestFiles(reading: [folder.path + "/team"], workingDirectory: "/").problems.map(\.file) == [folder.path + "/team/gone.yaml"])
    }

    @Test func `manifests without an object are no wish`() throws {
        for text in ["", "# nothing\n", "---\n---\n", "apiVersion: v1\nkind: List\nitems: []\n"] {
            let files = ManifestFiles(files: [("lab.yaml", Array(text.utf8))], workingDirectory: "/")
            #expect(throws: Failure("the manifests name no object: lab.yaml")) { try files.sound(kinds) }
        }
    }

    @Test func `a problem is one line, whatever was written`() {
        let problem = Problem(file: "lab.yaml", mark: Mark(line: 1, column: 2), message: "\"\u{1B}[31mRED\nlab.yaml:9:9: forged\" is no label's value")
        #expect(InvalidManifest(problems: [problem]).description == "lab.yaml:1:2: \"\u{FFFD}[31mRED lab.yaml:9:9: forged\" is no label's value")
    }

    @Test(arguments: ["https://127.0.0.1:70000", "https://10.0.0.1:99999/", "https://host:-1", "https://user@host", "https://:8443"])
    func `an address that cannot be one is told, and ends nothing`(_ text: String) {
        #expect { try Endpoint(text) } throws: { "\($0)".contains(text) }
    }

    @Test func `the server is given absolute names and people are shown their own`() async throws {
        let files = ManifestFiles(files: [("lab.yaml", []), ("/abs/x.yaml", []), ("stdin", [])], workingDirectory: "/srv")
        #expect(files.absolute.map(\.file) == ["/srv/lab.yaml", "/abs/x.yaml", "/srv/stdin"])
        #expect(files.shown("/srv/lab.yaml") == "lab.yaml")
        #expect(files.shown("/other") == "/other")
        let report = DiffReport(
            objects: [ObjectDiff(reference: Reference(kind: "A", name: "b"), file: "/srv/stdin", operation: .create)], examined: 1
        )
        #expect(files.shown(report).objects[0].file == "stdin")
    }

    @Test func `what the arguments name`() throws {
        func parse(_ arguments: String...) throws -> [String] {
            try Selection.parse(arguments, kinds: toys).map { "\($0.kind.name):\($0.names?.joined(separator: ",") ?? "*")" }
        }
        #expect(try parse("nodes") == ["Node:*"])
        #expect(try parse("NODE", "a", "b", "a") == ["Node:a,b"])
        #expect(try parse("no,disk") == ["Node:*", "Disk:*"])
        #expect(try parse("node/a", "disk/b", "no/c") == ["Node:a,c", "Disk:b"])
        #expect(try parse("all").count == toys.all.count)
        let wrong: [([String], String)] = [
            ([], "name what you mean"), (["nods"], "did you mean \"node"), (["sausage"], "kinds are clusters"),
            (["node", "disk/b"], "mixes two ways"), (["node/a", "b"], "is not KIND/NAME"), (["node/"], "is not KIND/NAME"),
            (["all", "x"], "stands alone"), (["node/a/b"], "is not KIND/NAME"),
        ]
        for (arguments, text) in wrong {
            let failure = #expect(throws: Failure.self, "\(arguments)") { try Selection.parse(arguments, kinds: toys) }
            #expect(failure?.description.contains(text) == true, "\(arguments): \(failure?.description ?? "")")
        }
        #expect(throws: Failure.self) { try Selection.parseNamed(["nodes"], kinds: toys) }
    }
}

/// A directory of its own, removed at the end.
final class Folder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/plasma-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }
}
