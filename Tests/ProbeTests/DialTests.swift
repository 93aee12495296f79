import Foundation
import GRPC
import Simulation
import Testing

@testable import Probe

/// What a server notices of a look at its certificate.
@Suite(.timeLimit(.minutes(2))) struct DialTests {
    @Test(arguments: [ServerTLS.ClientCertificates.none, .optional, .required])
    func `a look at the certificate is no client that refuses it`(_ asks: ServerTLS.ClientCertificates) async throws {
        let directory = NSTemporaryDirectory() + "dial-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for (name, text) in [("ca", TestCertificates.authority), ("crt", TestCertificates.server), ("key", TestCertificates.serverKey)] {
            try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
        }
        let book = LogBook()
        let tls = ServerTLS(certificate: directory + "/crt", key: directory + "/key", clientCA: directory + "/ca", clientCertificates: asks)
        let server = try PortServer(
            host: "127.0.0.1", port: 0, tls: tls, router: Router(), http: { $1.notFound() }, logger: book.logger)
        let address = ProbeAddress(host: "127.0.0.1", port: try await server.start())
        for _ in 0..<5 { #expect(try await Dial.present(address, within: .seconds(20)).serial == "58ebe32b36bc0b5a27c18d3b6f4adb16a4e875e8") }
        // One that does refuse it, after them.
        await #expect(throws: ProbeFailure.self) {
            _ = try await HTTPProbe.get("/", at: address, trust: ProbeTrust(authorities: TestCertificates.otherAuthority), within: .seconds(20), now: Date())
        }
        for _ in 0..<1000 where book.all.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        let told = book.lines(with: "a client is refused")
        #expect(told.count == 1 && told.first?.contains("since") == false && told.first?.lowercased().contains("alert") == true, "\(told)")
        await server.stop()
    }
}
