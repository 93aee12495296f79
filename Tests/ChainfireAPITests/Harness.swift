import Chainfire
import Etcd
import Foundation
import GRPC
import Host
import Logging
import SwiftProtobuf
import Testing
@testable import ChainfireAPI

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A directory that goes away with the value.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "chainfire-api-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path): \(error)") }
    }
}

/// A running member and ways to speak to it.
struct Member {
    let server: ChainfireServer
    let store: Chainfire
    let port: Int
    let metricsPort: Int
    let grpc: GRPCClient
    let http: HTTPProbe

    func call<Request: Message, Response: Message>(
        _ method: String, _ request: Request, as: Response.Type = Response.self
    ) async throws -> Response {
        try await grpc.unary("/" + method, request, within: .seconds(20))
    }

    /// The status a call is refused with; nil when it is not.
    func refusal<Request: Message, Response: Message>(
        _ method: String, _ request: Request, as: Response.Type
    ) async -> GRPCStatus? {
        do throws(GRPCStatus) {
            let _: Response = try await grpc.unary("/" + method, request, within: .seconds(20))
            return nil
        } catch {
            return error
        }
    }

    @discardableResult
    func put(_ key: String, _ value: String, lease: Int64 = 0) async throws -> Etcdserverpb_PutResponse {
        try await call("etcdserverpb.KV/Put", Etcdserverpb_PutRequest.with {
            $0.key = Data(key.utf8)
            $0.value = Data(value.utf8)
            $0.lease = lease
        })
    }

    func keys(under prefix: String) async throws -> [String] {
        let found: Etcdserverpb_RangeResponse = try await call("etcdserverpb.KV/Range", Etcdserverpb_RangeRequest.with {
            $0.key = Data(prefix.utf8)
            $0.rangeEnd = Data((prefix + "\u{7f}").utf8)
            $0.keysOnly = true
        })
        return found.kvs.map { String(decoding: $0.key, as: UTF8.self) }
    }
}

/// Runs a single member with its ports on loopback while `body` runs.
func withMember<T: Sendable>(
    _ change: (inout ChainfireServer.Options) -> Void = { _ in }, store: ChainfireOptions = ChainfireOptions(),
    _ body: (Member) async throws -> T
) async throws -> T {
    let directory = try TemporaryDirectory()
    let chainfire = try Chainfire.open(
        directory: directory.path + "/store", time: SystemTime(), disk: SystemDisk(), options: store, logger: quiet)
    var options = ChainfireServer.Options(scratchDirectory: directory.path)
    options.port = 0
    options.metricsPort = 0
    options.limits.stopWithin = .seconds(1)
    change(&options)
    let (listening, open) = AsyncStream.makeStream(of: ChainfireServer.Listening.self)
    let server = try ChainfireServer(store: chainfire, options: options, time: SystemTime(), logger: quiet) {
        open.yield($0)
        open.finish()
    }
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { open.finish() }
            try await server.run()
        }
        var ports: ChainfireServer.Listening?
        for await one in listening { ports = one }
        guard let ports else {
            try await group.waitForAll()
            throw GRPCStatus(.unavailable, "the server ended before it listened")
        }
        let grpc = try await GRPCClient.connect(host: "127.0.0.1", port: ports.port)
        let member = Member(
            server: server, store: chainfire, port: ports.port, metricsPort: ports.metricsPort ?? 0, grpc: grpc,
            http: HTTPProbe(port: ports.port))
        let result: Result<T, any Error>
        do { result = .success(try await body(member)) } catch { result = .failure(error) }
        await grpc.close()
        group.cancelAll()
        try await group.waitForAll()
        _ = directory.path
        return try result.get()
    }
}

extension Data {
    var text: String { String(decoding: self, as: UTF8.self) }
}
