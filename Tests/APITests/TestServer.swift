import AsyncHTTPClient
import Foundation
import Logging
import Manifest
import NIOCore
import Resource
import Simulation
import Store

@testable import API

/// A real server on a socket in a directory of its own, and a client of it.
struct TestServer: Sendable {
    var store: MemoryStore
    var client: Client
    var listening: Server.Listening
    var directory: String

    var socket: String { listening.socketPath }

    struct Answer {
        var code: Int
        var text: String
        var type: String

        var json: JSON { (try? JSON(parsing: Array(text.utf8))) ?? .null }
        var message: String { json["message"]?.string ?? text }
    }

    /// A request as any client could send it.
    func call(
        _ method: String, _ path: String, _ body: String? = nil, type: String? = "application/json", token: String? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: client.endpoint.url(path))
        request.method = .init(rawValue: method)
        if let type, body != nil { request.headers.add(name: "content-type", value: type) }
        if let token { request.headers.add(name: "authorization", value: token) }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await client.http.execute(request, timeout: .seconds(60))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        return Answer(code: Int(response.status.code), text: String(buffer: bytes), type: response.headers.first(name: "content-type") ?? "")
    }

    func object(_ kind: String, _ name: String) -> String { "\(Paths.base)/\(kind)/\(name)" }

    /// Puts an object into the store as a controller would.
    func put(_ resource: any AnyResource) async throws {
        let kind = testKinds[resource.reference.kind]!
        try await store.put(Key(Registry.key(kind, resource.name)), try resource.encoded())
    }
}

func withServer(
    _ hooks: Hooks = Hooks(reconciledKinds: ["Widget"]), https: Server.HTTPS? = nil, bookmarkInterval: Duration = .seconds(15),
    idleMax: Duration = .seconds(90), in given: String? = nil, _ body: @Sendable (TestServer) async throws -> Void
) async throws {
    let store = MemoryStore()
    let directory = try given ?? temporaryDirectory()
    defer { if given == nil { try? FileManager.default.removeItem(atPath: directory) } }
    let (opened, open) = AsyncStream.makeStream(of: Server.Listening.self)
    let server = Server(
        Server.Configuration(socketPath: directory + "/s.sock", https: https, bookmarkInterval: bookmarkInterval, idleMax: idleMax),
        store: store,
        kinds: testKinds, hooks: hooks, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { open.yield($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { open.finish() }
            do { try await server.run() } catch is CancellationError {}
        }
        defer { group.cancelAll() }
        guard let listening = await opened.first(where: { _ in true }) else {
            try await group.next()
            return
        }
        let client = try Client(.unix(listening.socketPath))
        do {
            try await body(TestServer(store: store, client: client, listening: listening, directory: directory))
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }
}

func temporaryDirectory() throws -> String {
    var template = Array((FileManager.default.temporaryDirectory.path + "/plasma-api.XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// What a person gets to read.
func message(of body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "nothing was thrown"
    } catch {
        return "\(error)"
    }
}

extension ApplyResult {
    var text: [String] { objects.map { "\($0.action.rawValue) \($0.reference)" } }
}
