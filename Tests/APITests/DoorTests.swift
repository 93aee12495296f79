import Foundation
import Logging
import Manifest
import Resource
import Simulation
import Testing

@testable import API

struct DoorTests {
    @Test func `curl speaks with the socket`() async throws {
        try await withServer { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let health = try await run("curl", "-sS", "--unix-socket", server.socket, "http://localhost/healthz")
            #expect(health == "ok\n")
            let version = try JSON(parsing: Array(try await run("curl", "-sS", "--unix-socket", server.socket, "http://localhost/version").utf8))
            #expect(version["apiVersion"] == "plasma.cloud/v1alpha1")
            let resources = try JSON(parsing: Array(try await run("curl", "-sS", "--unix-socket", server.socket, "http://x\(Paths.base)").utf8))
            #expect(resources["kind"] == "APIResourceList")
            #expect(resources["resources"]?.array?.compactMap { $0["name"]?.string }.contains("widgets") == true)
            let groups = try JSON(parsing: Array(try await run("curl", "-sS", "--unix-socket", server.socket, "http://x/apis").utf8))
            #expect(groups.at("groups[0].preferredVersion.version") == "v1alpha1")
            let form = try await run("curl", "-sS", "--unix-socket", server.socket, "-d", "{}", "http://x\(Paths.base)/widgets")
            #expect(form.contains("application/x-www-form-urlencoded"))
        }
    }

    @Test func `who connects and asks nothing is let go of, and a watch that has nothing to tell is not`() async throws {
        try await withServer(idleMax: .milliseconds(300)) { server in
            let silent = "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect('\(server.socket)'); print(len(s.recv(1)))"
            let ended = try await run("python3", "-c", silent)
            #expect(ended == "0\n")
            // Until nothing has come for more than a second, or the end.
            let watch = "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(1.2); s.connect('\(server.socket)')\n"
                + "s.sendall(b'GET \(Paths.list("widgets"))?watch=true&resourceVersion=0 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')\n"
                + "try:\n  while s.recv(4096): pass\n  print('closed')\nexcept TimeoutError: print('open')"
            let watching = try await run("python3", "-c", watch)
            #expect(watching == "open\n")
        }
    }

    @Test func `the socket is for its owner only and goes with the server`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/s.sock"
        try await withServer(in: directory) { server in
            let attributes = try FileManager.default.attributesOfItem(atPath: server.socket)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let left = try FileManager.default.contentsOfDirectory(atPath: server.directory)
            #expect(left == ["s.sock"], "the place where it was bound is gone")
        }
        let client = try Client(.unix(path))
        let words = await message { _ = try await client.version() }
        #expect(words == "no plasma server listens at \(path); start one with `plasma server`")
        await client.close()
    }

    @Test func `a socket that somebody listens on is not taken, a stale one is`() async throws {
        try await withServer { server in
            let second = Server(.init(socketPath: server.socket), store: MemoryStore(), kinds: testKinds, hooks: Hooks(), logger: Logger(label: "x"))
            let words = await message { try await second.run() }
            #expect(words == "a server already listens at \(server.socket); stop it, or choose another socket")
            #expect(try await server.client.version().apiVersion == plasmaAPIVersion, "the first still serves")

            let file = server.directory + "/file"
            try "text".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(await message { _ = try SocketFile(claiming: file) } == "\(file) is there and is not a socket; remove it, or choose another path")
            let long = server.directory + "/" + String(repeating: "x", count: 120)
            #expect(await message { _ = try SocketFile(claiming: long) }.contains("too long"))

            let stale = server.directory + "/stale"
            _ = try await run("python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('\(stale)')")
            SocketFile.forget(try SocketFile(claiming: stale))
        }
    }

    @Test func `readiness tells its reasons`() async throws {
        try await withServer(Hooks(unreadiness: { ["the store is replaying", "Network/lan is not observed yet"] })) { server in
            let answer = try await server.call("GET", "/readyz")
            #expect(answer.code == 503)
            #expect(answer.text == "the store is replaying\nNetwork/lan is not observed yet\n")
            #expect(try await server.client.unreadiness() == ["the store is replaying", "Network/lan is not observed yet"])
            #expect(try await server.call("GET", "/livez").text == "ok\n")
        }
    }

    @Test func `an authorizer's no is told with its reason`() async throws {
        struct NoDeletes: Authorizer {
            func decide(_ request: AccessRequest) async -> AccessDecision { request.verb == .delete ? .deny("it is Friday") : .allow }
        }
        try await withServer(Hooks(authorizer: NoDeletes())) { server in
            _ = try await server.client.apply(manifest(widgetYAML("a")))
            let words = await message { _ = try await server.client.delete(widgets, "a") }
            #expect(words == "the local administrator may not delete Widget/a: it is Friday")
            let pruned = await message { _ = try await server.client.apply(manifest(widgetYAML("b")), options: .init(prune: true)) }
            #expect(pruned == words, "a prune is a delete")
        }
    }

    @Test func `tokens are known or refused, and compared to their end`() throws {
        let check = TokenCheck(tokens: [BearerToken(name: "ci", token: "secret"), BearerToken(name: "empty", token: "")])
        #expect(try check.identity(nil) == .anonymous)
        #expect(try check.identity("Bearer secret") == .bearer("ci"))
        #expect(try check.identity("bearer  secret ") == .bearer("ci"))
        for wrong in ["Bearer", "Bearer ", "Bearer secre", "Bearer secretsecret", "Bearer x", "Basic secret"] {
            #expect(throws: Refusal.self) { try check.identity(wrong) }
        }
        #expect(!isEqualInConstantTime([], []))
    }

    @Test func `a log is streamed from its end, and followed until the client goes`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/serial.log"
        let hooks = Hooks(log: { $0.name == "a" ? LogSource(path: path) : nil })
        try await withServer(hooks) { server in
            let a = Reference(kind: "Widget", name: "a")
            let none = await message { for try await _ in server.client.log(a) {} }
            #expect(none == "Widget/a has not logged anything yet")
            try "one\ntwo\nthree\n".write(toFile: path, atomically: true, encoding: .utf8)
            var text: [UInt8] = []
            for try await bytes in server.client.log(a, tailLines: 2) { text += bytes }
            #expect(String(decoding: text, as: UTF8.self) == "two\nthree\n")
            text = []
            for try await bytes in server.client.log(a, follow: true, tailLines: 1) {
                text += bytes
                if text == Array("three\n".utf8) {
                    let file = try #require(FileHandle(forWritingAtPath: path))
                    try file.seekToEnd()
                    try file.write(contentsOf: Data("four\n".utf8))
                    try file.close()
                }
                if text.count > 6 { break }
            }
            #expect(String(decoding: text, as: UTF8.self) == "three\nfour\n")
        }
    }
}

extension SocketFile {
    static func forget(_ file: SocketFile) { file.remove() }
}

/// Runs a program and gives its output.
func run(_ arguments: String...) async throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    return try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            let data = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            continuation.resume(returning: String(decoding: data, as: UTF8.self))
        }
    }
}
