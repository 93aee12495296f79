import Foundation
import Manifest
import Resource
import Testing

@testable import API

struct HTTPSTests {
    /// A self-signed certificate for localhost, made by openssl.
    private func identity(in directory: String, _ name: String = "tls") async throws -> (certificate: String, key: String) {
        let (certificate, key) = (directory + "/\(name).crt", directory + "/\(name).key")
        _ = try await run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate)
        return (try String(contentsOfFile: certificate, encoding: .utf8), try String(contentsOfFile: key, encoding: .utf8))
    }

    @Test func `over https a token opens the door, for the client and for curl`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (certificate, key) = try await identity(in: directory)
        let https = Server.HTTPS(
            host: "127.0.0.1", port: 0, certificate: try HTTPSCertificate(chain: certificate, key: key),
            tokens: [BearerToken(name: "ci", token: "s3cret")])
        try await withServer(https: https, in: directory) { server in
            let url = "https://localhost:\(try #require(server.listening.httpsPort))"
            let client = try Client(.https(url, caPEM: certificate, token: "s3cret"))
            _ = try await client.apply(manifest(widgetYAML("a")))
            #expect(try await client.list(widgets).items.map(\.name) == ["a"])
            var told: [String] = []
            for try await change in client.watch(widgets) {
                told.append(change.words)
                if case .bookmark = change { break }
            }
            #expect(told.first == "added a")
            await client.close()

            let stranger = try Client(.https(url, caPEM: certificate, token: nil))
            #expect(await message { _ = try await stranger.list(widgets) } == "an anonymous caller may not list Widget: give a bearer token")
            #expect(try await stranger.version().apiVersion == plasmaAPIVersion)
            // Whatever is sent: it is not read, and the answer tells nothing of what is there.
            let manifests: [[(file: String, bytes: [UInt8])]] = [[], manifest(widgetYAML("a", size: 7)), manifest("nonsense")]
            for sent in manifests {
                let words = await message { _ = try await stranger.apply(sent, options: .init(fieldManager: "other")) }
                #expect(words == "an anonymous caller may not apply: give a bearer token")
            }
            let a = Paths.object("widgets", "a")
            for (type, verb) in [("application/apply-patch+yaml", "apply"), ("application/merge-patch+json", "patch")] {
                let words = await message { _ = try await stranger.bytes("PATCH", a, body: Array("x".utf8), contentType: type) }
                #expect(words == "an anonymous caller may not \(verb) Widget/a: give a bearer token")
            }
            let created = await message { _ = try await stranger.bytes("POST", Paths.list("widgets"), body: Array("x".utf8)) }
            #expect(created == "an anonymous caller may not create Widget: give a bearer token")
            await stranger.close()
            let guesser = try Client(.https(url, caPEM: certificate, token: "guess"))
            #expect(await message { _ = try await guesser.list(widgets) } == "the bearer token is not known to this server")
            await guesser.close()
            let careful = try Client(.https(url, caPEM: nil, token: "s3cret"))
            let words = await message { _ = try await careful.version() }
            #expect(words.hasPrefix("no secure connection to \(url): "), "\(words)")
            await careful.close()

            let ca = directory + "/tls.crt"
            let listed = try await run("curl", "-sS", "--cacert", ca, "-H", "Authorization: Bearer s3cret", url + "\(Paths.base)/widgets/a")
            #expect(try JSON(parsing: Array(listed.utf8)).at("metadata.name") == "a")
            #expect(try await run("curl", "-sS", "--cacert", ca, url + "/readyz") == "ok\n")
            #expect(try await run("curl", "-sS", "--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}", url + "/metrics") == "401")
            let applied = try await run(
                "curl", "-sS", "--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json", "-d",
                #"{"files":[]}"#, url + Paths.apply)
            #expect(applied == "401")
        }
    }

    @Test func `a certificate that is replaced is shown to whoever connects after that`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (first, second) = (try await identity(in: directory, "first"), try await identity(in: directory, "second"))
        let shown = try HTTPSCertificate(chain: first.certificate, key: first.key)
        try await withServer(https: .init(host: "127.0.0.1", port: 0, certificate: shown), in: directory) { server in
            let url = "https://localhost:\(try #require(server.listening.httpsPort))/readyz"
            func isShown(_ name: String) async throws -> Bool {
                try await run("curl", "-s", "--cacert", "\(directory)/\(name).crt", url) == "ok\n"
            }
            #expect(try await isShown("first"))
            #expect(throws: ServerError.self, "they do not go together") { try shown.replace(chain: second.certificate, key: first.key) }
            #expect(try await isShown("first"))
            try shown.replace(chain: second.certificate, key: second.key)
            #expect(try await isShown("second"))
            #expect(try await !isShown("first"))
        }
    }

    @Test func `a certificate that cannot be used and a port that is taken are told`() async throws {
        let words = await message { _ = try HTTPSCertificate(chain: "x", key: "y") }
        #expect(words.hasPrefix("the certificate or key for HTTPS cannot be used: "), "\(words)")
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (certificate, key) = try await identity(in: directory)
        let shown = try HTTPSCertificate(chain: certificate, key: key)
        try await withServer(https: .init(host: "127.0.0.1", port: 0, certificate: shown)) { server in
            let port = try #require(server.listening.httpsPort)
            let second = Server.HTTPS(host: "127.0.0.1", port: port, certificate: shown)
            let taken = await message { try await withServer(https: second) { _ in } }
            #expect(taken == "cannot listen at 127.0.0.1:\(port): Address already in use")
        }
    }
}
