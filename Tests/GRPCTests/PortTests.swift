import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import GRPC

@Suite(.serialized, .timeLimit(.minutes(2))) struct PortTests {
    private static let http: HTTPHandler = { request, reply in
        switch request.path {
        case "/echo":
            reply.send(.ok, contentType: "text/plain", body: Array("\(request.method) \(request.query) ".utf8) + request.body)
        case "/stream":
            reply.head(.ok, ["content-type": "text/plain"])
            Thread.detachNewThread {
                for number in 0..<5 { reply.write(Array("\(number)\n".utf8)) }
                reply.end()
            }
        case "/name": reply.send(.ok, contentType: "text/plain", body: Array((request.peer.commonName ?? "nobody").utf8))
        default: reply.notFound()
        }
    }

    @Test(arguments: [
        ("/v3/kv/range", "/v3/kv/range", ""), ("/health?a=b?c", "/health", "a=b?c"), ("/?", "/", ""), ("http://node:2379/v3/kv/range?x", "/v3/kv/range", "x"),
        ("http://node", "/", ""), ("http://node?x=1", "/", "x=1"), ("*", "*", ""), ("/a://b", "/a://b", ""), ("", "/", ""),
    ])
    func `a URI is a path and a query, with a host before it or not`(_ uri: String, _ path: String, _ query: String) {
        #expect(HTTPRequest.parts(ofURI: uri) == (path, query))
    }

    @Test func `one port answers gRPC and HTTP 1`() async throws {
        try await withServer(http: Self.http) { _, _, port in
            let url = "http://127.0.0.1:\(port)"
            let echoed = try await HTTPCall.send(.POST, url: url + "/echo?a=b", body: Array("hello".utf8))
            #expect(echoed.status == 200)
            #expect(String(decoding: echoed.body, as: UTF8.self) == "POST a=b hello")
            let streamed = try await HTTPCall.send(.GET, url: url + "/stream")
            #expect(String(decoding: streamed.body, as: UTF8.self) == "0\n1\n2\n3\n4\n")
            let missing = try await HTTPCall.send(.GET, url: url + "/nothing")
            #expect(missing.status == 404)
            let client = try await connect(port)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
            #expect(answer.value == "x")
        }
    }

    @Test func `a body beyond the limit is refused, announced or in chunks`() async throws {
        try await withServer(http: Self.http) { _, _, port in
            let body = [UInt8](repeating: 0x61, count: (2 << 20) + 1)
            let announced = try await HTTPCall.send(.POST, url: "http://127.0.0.1:\(port)/echo", body: body)
            #expect(announced.status == 413)
            let most = try await HTTPCall.send(.POST, url: "http://127.0.0.1:\(port)/echo", body: Array(body.dropLast()))
            #expect(most.status == 200)
            let file = NSTemporaryDirectory() + "body-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: file) }
            try Data(body).write(to: URL(fileURLWithPath: file))
            let curl = try run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "transfer-encoding: chunked",
                "--data-binary", "@\(file)", "http://127.0.0.1:\(port)/echo")
            #expect(curl == nil || curl == "413")
        }
    }

    @Test func `keep-alive, HEAD and Expect work as curl expects them`() async throws {
        try await withServer(http: Self.http) { _, server, port in
            let url = "http://127.0.0.1:\(port)/echo"
            guard let twice = try run("curl", "-s", "-H", "Expect: 100-continue", "-d", "a", url, "-w", " %{num_connects}\n",
                "--next", "-s", "-d", "b", url, "-w", " %{num_connects}\n")
            else { return }
            #expect(twice == "POST  a 1\nPOST  b 0\n")
            let head = try run("curl", "-s", "-I", url)
            #expect(head?.contains("content-length: 6") == true)
            let preface = try run("curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                "-X", "POST", url)
            #expect(preface == "2 415")
            let status = try run("curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-D", "-", "-X", "POST",
                "-H", "content-type: application/grpc", "-H", "te: trailers", "http://127.0.0.1:\(port)/no.Such/Thing")
            #expect(status?.contains("grpc-status: 12") == true)
            #expect(status?.contains("grpc-message: unknown service no.Such") == true)
        }
    }

    @Test(arguments: [
        [0, 1, 2, 3], Array("get / http".utf8), Array("PRI * HTTP/2.0\r\n\r\nXX".utf8), [0x16, 3, 1, 2, 0, 1],
        Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [UInt8](repeating: 0xff, count: 40),
        Array("GET / HTTP/1.1\r\nbad header\r\n\r\n".utf8),
    ]) func `garbage closes its own connection and nothing else`(_ bytes: [UInt8]) async throws {
        try await withServer(http: Self.http) { _, _, port in
            let client = try await connect(port)
            try await sendRaw(bytes, to: port)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
            #expect(answer.value == "x")
        }
    }

    @Test func `random garbage after a good beginning never harms others`() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        func next() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        try await withServer(http: Self.http) { _, server, port in
            let client = try await connect(port)
            for round in 0..<30 {
                var bytes = round % 3 == 0 ? [] : Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
                // A header, sometimes of a length that is there.
                if round % 3 == 2 { bytes += [0, 0, 20, next() % 10, next(), 0, 0, 0, next()] }
                for _ in 0..<Int(next()) { bytes.append(next()) }
                try await sendRaw(bytes, to: port, halfCloses: true)
                let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
                #expect(answer.value == "x", "seed \(seed) round \(round)")
            }
        }
    }

    @Test(arguments: [
        "GET /x HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
    ]) func `who asks for another protocol is answered, and not read any further`(_ request: String) async throws {
        try await withServer(http: Self.http) { _, server, port in
            // More than would ever be kept, and the connection is closed all the same.
            let bytes = Array(request.utf8) + [UInt8](repeating: 0x78, count: 8 << 20)
            try? await sendRaw(bytes, to: port)
            while server.connections > 0 { await Task.yield() }
        }
    }

    @Test func `more connections than allowed are closed, and places are given back`() async throws {
        var limits = Limits()
        limits.connectionsMax = 2
        try await withServer(limits: limits) { _, server, port in
            let one = try await connect(port)
            let two = try await connect(port)
            let three = await #expect(throws: GRPCStatus.self) { _ = try await connect(port) }
            #expect(three?.code == .unavailable)
            await two.close()
            while server.connections > 1 { await Task.yield() }
            let again = try await connect(port)
            let answer: Text = try await again.unary("/test.Echo/Text", Text("x"))
            #expect(answer.value == "x")
            #expect(one.isOpen)
        }
    }

    @Test func `a client that is silent, or slow with its headers, is closed`() async throws {
        var limits = Limits()
        limits.headersWithin = .milliseconds(50)
        try await withServer(limits: limits) { _, _, port in
            try await sendRaw([], to: port)
            try await sendRaw(Array("GET / HT".utf8), to: port)
        }
    }

    /// Sends bytes and returns when the server has closed the connection.
    private func sendRaw(_ bytes: [UInt8], to port: Int, halfCloses: Bool = false) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread {
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                defer { close(descriptor) }
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = in_port_t(UInt16(port)).bigEndian
                address.sin_addr.s_addr = inet_addr("127.0.0.1")
                let connected = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                guard connected == 0 else { return continuation.resume(throwing: GRPCStatus(.unavailable, "\(errno)")) }
                _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if halfCloses { shutdown(descriptor, Int32(SHUT_WR)) }
                var answer = [UInt8](repeating: 0, count: 4096)
                while recv(descriptor, &answer, answer.count, 0) > 0 {}
                continuation.resume()
            }
        }
    }
}

/// Runs a program of the PATH and answers what it printed; nil, aloud, when it is not there.
func run(_ program: String, _ arguments: String...) throws -> String? {
    guard ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":").contains(where: {
        FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
    }) else {
        print("skipped: \(program) is not on the PATH")
        return nil
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self)
}
