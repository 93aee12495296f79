import Foundation
import Logging
import NIOCore
import SwiftProtobuf
import Synchronization

@testable import GRPC

typealias Text = Google_Protobuf_StringValue
typealias Blob = Google_Protobuf_BytesValue

/// A server whose methods do one simple thing each, and what they noticed.
final class EchoServer: Sendable {
    struct Notes {
        var calls: [String] = []
        var cancelled: [String] = []
        var ended: [String] = []
        var commonNames: [String?] = []
        var floodSent = 0
        var waiting: [(wanted: @Sendable (Notes) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }
    let notes = Mutex(Notes())

    func note(_ change: (inout Notes) -> Void) {
        let ready = notes.withLock { notes in
            change(&notes)
            let ready = notes.waiting.filter { $0.wanted(notes) }
            notes.waiting = notes.waiting.filter { !$0.wanted(notes) }
            return ready
        }
        for waiting in ready { waiting.continuation.resume() }
    }

    /// Returns as soon as what was noticed is as wanted.
    func noticed(_ wanted: @escaping @Sendable (Notes) -> Bool) async {
        await withCheckedContinuation { continuation in
            let now = notes.withLock { notes in
                if wanted(notes) { return true }
                notes.waiting.append((wanted, continuation))
                return false
            }
            if now { continuation.resume() }
        }
    }

    var router: Router {
        var router = Router()
        router.metadata = ["token"]
        router.unary("/test.Echo/Blob") { (request: Blob, call) in call.reply(request) }
        router.unary("/test.Echo/Text") { (request: Text, call) in
            self.note { $0.commonNames.append(call.peer.commonName) }
            call.reply(request)
        }
        router.unary("/test.Echo/Metadata") { (request: Text, call) in
            call.reply(Text(call.metadata(request.value) ?? "none"))
        }
        // From a thread of its own.
        router.unary("/test.Echo/Late") { (request: Blob, call) in
            Thread.detachNewThread { call.reply(request) }
        }
        router.unary("/test.Echo/Fail") { (request: Text, call) in
            call.finish(GRPCStatus(.failedPrecondition, request.value))
        }
        router.unary("/test.Echo/Never") { (request: Text, call) in
            self.note { $0.calls.append(request.value) }
            call.whenCancelled { self.note { $0.cancelled.append(request.value) } }
        }
        router.unary("/test.Echo/Large") { (request: Google_Protobuf_Int64Value, call) in
            call.reply(Blob(Data(repeating: 7, count: Int(request.value))))
        }
        router.stream("/test.Echo/Stream") { EchoHandler(server: self, call: $0) }
        router.stream("/test.Echo/Burst") { BurstHandler(call: $0) }
        router.stream("/test.Echo/Flood") { FloodHandler(server: self, call: $0) }
        return router
    }
}

/// Sends every message back.
private final class EchoHandler: CallHandler {
    private let server: EchoServer
    private let call: ServerCall

    init(server: EchoServer, call: ServerCall) {
        self.server = server
        self.call = call
        server.note { $0.calls.append("stream") }
    }

    func receive(_ payload: ByteBuffer) {
        do throws(GRPCStatus) { call.send(try payload.decoded(as: Blob.self)) } catch { call.finish(error) }
    }
    func halfClose() {
        server.note { $0.ended.append("stream") }
        call.finish()
    }
    func cancel() { server.note { $0.cancelled.append("stream") } }
}

/// Sends many small messages at once.
private final class BurstHandler: CallHandler {
    private let call: ServerCall

    init(call: ServerCall) { self.call = call }

    func receive(_ payload: ByteBuffer) { for number in 0..<1000 { call.send(Blob(Data([UInt8(number % 256)]))) } }
    func halfClose() {}
    func cancel() {}
}

/// Sends 64 KiB again and again, as long as the client reads.
private final class FloodHandler: CallHandler {
    private let server: EchoServer
    private let call: ServerCall

    init(server: EchoServer, call: ServerCall) {
        self.server = server
        self.call = call
    }

    func receive(_ payload: ByteBuffer) { Self.go(server, call) }

    private static func go(_ server: EchoServer, _ call: ServerCall) {
        while call.isWritable && !call.isClosed {
            call.send(Blob(Data(repeating: 1, count: 64 * 1024)))
            server.note { $0.floodSent += 1 }
        }
        if !call.isClosed { call.whenWritable { go(server, call) } }
    }
    func halfClose() {}
    func cancel() { server.note { $0.cancelled.append("flood") } }
}

/// Runs `body` beside a server on a free loopback port.
func withServer(
    tls: ServerTLS? = nil, limits: Limits = Limits(), http: @escaping HTTPHandler = { $1.notFound() },
    bounding: (inout Router) -> Void = { _ in }, _ body: (EchoServer, PortServer, Int) async throws -> Void
) async throws {
    let echo = EchoServer()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    var router = echo.router
    bounding(&router)
    let server = try PortServer(host: "127.0.0.1", port: 0, tls: tls, router: router, http: http, limits: limits, logger: logger)
    let port = try await server.start()
    do {
        try await body(echo, server, port)
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

func connect(_ port: Int, tls: ClientTLS? = nil, _ change: (inout GRPCClient.Options) -> Void = { _ in }) async throws -> GRPCClient {
    var options = GRPCClient.Options()
    options.connectWithin = .seconds(20)
    change(&options)
    return try await GRPCClient.connect(host: "127.0.0.1", port: port, tls: tls, options: options)
}
