import Bytes
import Foundation
import Host
import Logging
import Simulation
import Testing

@testable import GRPC

@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSTests {
    /// The certificates as files, in a directory that goes with it.
    private final class Files: Sendable {
        let directory: String

        init() throws {
            directory = NSTemporaryDirectory() + "grpc-tls-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try write("ca.pem", TestCertificates.caCertificate)
            try write("server.pem", TestCertificates.serverCertificate)
            try write("server.key", TestCertificates.serverKey)
            try write("client.pem", TestCertificates.clientCertificate)
            try write("client.key", TestCertificates.clientKey)
        }
        deinit { try? FileManager.default.removeItem(atPath: directory) }

        subscript(name: String) -> String { directory + "/" + name }
        func write(_ name: String, _ text: String) throws {
            try text.write(toFile: self[name], atomically: true, encoding: .utf8)
        }
        func server(_ asks: ServerTLS.ClientCertificates) -> ServerTLS {
            ServerTLS(certificate: self["server.pem"], key: self["server.key"], clientCA: self["ca.pem"], clientCertificates: asks)
        }
        var named: ClientTLS { ClientTLS(ca: self["ca.pem"], certificate: self["client.pem"], key: self["client.key"]) }
        var nameless: ClientTLS { ClientTLS(ca: self["ca.pem"]) }
    }

    private static let http: HTTPHandler = { request, reply in
        reply.send(.ok, contentType: "text/plain", body: Array((request.peer.commonName ?? "nobody").utf8))
    }

    @Test func `gRPC and HTTP 1 over TLS know who calls`() async throws {
        let files = try Files()
        try await withServer(tls: files.server(.optional), http: Self.http) { echo, _, port in
            let client = try await connect(port, tls: files.named)
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
            #expect(answer.value == "x")
            let nobody = try await connect(port, tls: files.nameless)
            _ = try await nobody.unary("/test.Echo/Text", Text("y"), as: Text.self)
            #expect(echo.notes.withLock { $0.commonNames } == ["client.test", nil])
            let page = try await HTTPCall.send(.GET, url: "https://localhost:\(port)/", tls: files.named)
            #expect(String(decoding: page.body, as: UTF8.self) == "client.test")
            let large: Blob = try await client.unary("/test.Echo/Blob", Blob(Data(repeating: 5, count: 2_000_000)))
            #expect(large.value.count == 2_000_000)
        }
    }

    @Test func `where guests are bounded, who shows no certificate is refused all but what guests may`() async throws {
        let files = try Files()
        let refusal = GRPCStatus(.permissionDenied, "show a certificate")
        try await withServer(tls: files.server(.optional), bounding: { $0.bound(guests: { $0 == "/test.Echo/Text" }, refusal: refusal) }) { echo, _, port in
            let (known, guest) = (try await connect(port, tls: files.named), try await connect(port, tls: files.nameless))
            for client in [known, guest] {
                let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
                #expect(answer.value == "x")
            }
            _ = try await known.unary("/test.Echo/Blob", Blob(Data([1])), as: Blob.self)
            for method in ["/test.Echo/Blob", "/test.Echo/Stream", "/test.Echo/Unknown"] {
                await #expect(throws: refusal) { _ = try await guest.unary(method, Blob(Data([1])), as: Blob.self) }
            }
            #expect(echo.notes.withLock { $0.calls.isEmpty })
        }
    }

    @Test func `a required certificate is required, a wrong authority is refused, plain text is garbage`() async throws {
        let files = try Files()
        try await withServer(tls: files.server(.required), http: Self.http) { _, _, port in
            let client = try await connect(port, tls: files.named)
            await #expect(throws: GRPCStatus.self) { _ = try await connect(port, tls: files.nameless) }
            await #expect(throws: GRPCStatus.self) { _ = try await connect(port, tls: ClientTLS()) }
            await #expect(throws: GRPCStatus.self) { _ = try await connect(port) }
            await #expect(throws: GRPCStatus.self) { try await HTTPCall.send(.GET, url: "http://127.0.0.1:\(port)/") }
            let answer: Text = try await client.unary("/test.Echo/Text", Text("x"))
            #expect(answer.value == "x")
        }
    }

    @Test func `why a client is not let in stands in the log, once in a while; who only looks is not worth a line`() async throws {
        let files = try Files(), book = LogBook()
        let server = try PortServer(host: "127.0.0.1", port: 0, tls: files.server(.required), router: Router(), limits: Limits(), logger: book.logger)
        let port = try await server.start()
        let look = try await MuteClient.connect(port)
        try await look.close()
        for _ in 0..<3 { await #expect(throws: GRPCStatus.self) { _ = try await connect(port, tls: files.nameless) } }
        let told = book.lines(with: "a client is refused")
        #expect(told.count == 1 && told.first?.contains("127.0.0.1:") == true, "\(told)")
        await server.stop()
    }

    @Test func `who is on a revocation list is refused, and does not stay for having come before`() async throws {
        let files = try Files()
        // A list that names another certificate of the same authority.
        var other = try bytes(of: TestCertificates.revocationList)
        let serial = try #require(CertificateFields(der: try bytes(of: TestCertificates.clientCertificate))).serial
        let place = try #require(other.indices.first { Array(other[$0...].prefix(serial.count)) == serial })
        other[place + serial.count - 1] ^= 1
        let harmless = "-----BEGIN X509 CRL-----\n\(Data(other).base64EncodedString())\n-----END X509 CRL-----\n"
        try files.write("crl.pem", harmless)
        var tls = files.server(.optional)
        tls.clientCRL = files["crl.pem"]
        try await withServer(tls: tls, http: Self.http) { _, server, port in
            let (named, nameless) = (try await connect(port, tls: files.named), try await connect(port, tls: files.nameless))
            for client in [named, nameless] { _ = try await client.unary("/test.Echo/Text", Text("x"), as: Text.self) }
            // Both lists count.
            try files.write("crl.pem", harmless + TestCertificates.revocationList)
            let deadline = ContinuousClock.now + .seconds(20)
            while server.connections > 1, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(20)) }
            #expect(server.connections == 1)
            await #expect(throws: (any Error).self) { _ = try await named.unary("/test.Echo/Text", Text("y"), as: Text.self) }
            await #expect(throws: (any Error).self) {
                let again = try await connect(port, tls: files.named)
                _ = try await again.unary("/test.Echo/Text", Text("y"), as: Text.self)
            }
            await #expect(throws: (any Error).self) { _ = try await HTTPCall.send(.GET, url: "https://localhost:\(port)/", tls: files.named) }
            let answer: Text = try await nameless.unary("/test.Echo/Text", Text("z"))
            #expect(answer.value == "z")
            // A list that is none changes nothing.
            try files.write("crl.pem", "nothing")
            try await Task.sleep(for: .milliseconds(1200))
            await #expect(throws: (any Error).self) { _ = try await HTTPCall.send(.GET, url: "https://localhost:\(port)/", tls: files.named) }
        }
        // A server's, which is the same certificate here.
        try files.write("server.pem", TestCertificates.clientCertificate)
        try files.write("server.key", TestCertificates.clientKey)
        try files.write("crl.pem", TestCertificates.revocationList)
        try await withServer(tls: files.server(.none), http: Self.http) { _, _, port in
            var client = files.nameless
            _ = try await HTTPCall.send(.GET, url: "https://localhost:\(port)/", tls: client)
            client.crl = files["crl.pem"]
            await #expect(throws: GRPCStatus(.unavailable, "the server's certificate was revoked", isUnsent: true)) {
                _ = try await HTTPCall.send(.GET, url: "https://localhost:\(port)/", body: Array("secret".utf8), tls: client)
            }
        }
        tls.clientCRL = files["none.pem"]
        #expect(throws: PortError.tls("\(files["none.pem"]) cannot be read")) { _ = try tls.readRevoked() }
        tls.clientCRL = files["ca.pem"]
        #expect(throws: PortError.tls("\(files["ca.pem"]) holds no revocation list in PEM")) { _ = try tls.readRevoked() }
    }

    private func bytes(of pem: String) throws -> [UInt8] {
        [UInt8](try #require(Data(base64Encoded: pem.split(separator: "\n").dropFirst().dropLast().joined())))
    }

    @Test func `who offers HTTP 1 beside HTTP 2 gets pages, and who offers HTTP 2 alone gets calls`() async throws {
        let files = try Files()
        try await withServer(tls: files.server(.none), http: Self.http) { _, _, port in
            for (offer, chosen) in [("h2,http/1.1", "http/1.1"), ("http/1.1", "http/1.1"), ("h2", "h2")] {
                let said = try await SystemProcesses().run(
                    Program("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-alpn", offer]), limit: .seconds(20))
                #expect(said.output.contains("ALPN protocol: \(chosen)\n"), "\(offer): \(said.output.suffix(300))")
            }
        }
    }

    @Test func `changed certificates are taken for new connections, broken ones are not`() throws {
        let files = try Files()
        let source = try ServerTLSSource(files.server(.none), lookEvery: .zero, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let first = source.context
        #expect(source.context === first)
        try files.write("server.pem", "no certificate")
        #expect(source.context === first)
        // The new certificate is there, its key is not yet: they do not go together.
        try files.write("server.pem", TestCertificates.server2Certificate)
        #expect(source.context === first)
        try files.write("server.key", TestCertificates.server2Key)
        let second = source.context
        #expect(second !== first)
        #expect(source.context === second)
    }

    @Test func `what cannot be used is named`() throws {
        let files = try Files()
        let missing = ServerTLS(certificate: "/nowhere/a.pem", key: files["server.key"])
        #expect(throws: PortError.tls("/nowhere/a.pem cannot be read")) { _ = try missing.makeContext() }
        let half = ClientTLS(ca: files["ca.pem"], certificate: files["client.pem"])
        #expect(throws: PortError.tls("a client certificate needs its key, and a key its certificate: only one was given")) {
            _ = try half.forConnection(to: "localhost", protocols: ["h2"])
        }
    }
}
