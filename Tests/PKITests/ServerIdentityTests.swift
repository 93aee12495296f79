import Crypto
import Foundation
import Testing
import X509

@testable import PKI

struct ServerIdentityTests {
    private func directory() throws -> String {
        var template = Array((FileManager.default.temporaryDirectory.path + "/plasma-pki.XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func openssl(_ arguments: String...) throws -> (code: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    @Test func `openssl verifies the server against its authority, for its names only`() throws {
        let path = try directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try ServerIdentity.load(in: path, names: ["lab.example", "192.0.2.7"])
        func verify(_ option: String, _ name: String) throws -> Int32 {
            try openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", path + "/ca.crt", option, name, path + "/server.crt").code
        }
        for name in ["lab.example", "localhost"] { #expect(try verify("-verify_hostname", name) == 0, "\(name)") }
        for address in ["192.0.2.7", "127.0.0.1"] { #expect(try verify("-verify_ip", address) == 0, "\(address)") }
        #expect(try verify("-verify_hostname", "other.example") != 0)
        #expect(try openssl("x509", "-in", path + "/server.crt", "-noout", "-text").text.contains("ASN1 OID: prime256v1"))
        #expect(try openssl("pkey", "-in", path + "/server.key", "-noout", "-check").code == 0)
        for file in ["ca.crt", "ca.key", "server.crt", "server.key"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + file)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(file)")
        }
    }

    @Test func `an identity is kept while it serves, renewed under the same authority when it does not`() throws {
        let path = try directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let day = TimeInterval(86_400)
        let first = try ServerIdentity.load(in: path, names: ["a.example"], now: now)
        #expect(try ServerIdentity.load(in: path, names: ["a.example"], now: now + 200 * day) == first)
        let late = try ServerIdentity.load(in: path, names: ["a.example"], now: now + 300 * day)
        #expect(late != first, "less than a third of its life was left")
        #expect(late.authority == first.authority)
        let renamed = try ServerIdentity.load(in: path, names: ["b.example"], now: now + 300 * day)
        #expect(renamed.certificate != late.certificate)
        #expect(renamed.authority == first.authority)
        let ancient = try ServerIdentity.load(in: path, names: ["b.example"], now: now + 3651 * day)
        #expect(ancient.authority != first.authority, "the authority's own time was over")
    }

    @Test func `a broken authority is never replaced unasked`() throws {
        let path = try directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try ServerIdentity.load(in: path, names: [])
        try "nonsense".write(toFile: path + "/server.crt", atomically: true, encoding: .utf8)
        _ = try ServerIdentity.load(in: path, names: [])
        #expect(try openssl("verify", "-CAfile", path + "/ca.crt", path + "/server.crt").code == 0, "a broken server certificate is made anew")
        try FileManager.default.removeItem(atPath: path + "/ca.key")
        let repair = "; put the right file back, or remove ca.crt and ca.key to make a new authority that clients must be given anew"
        #expect(throws: PKIError.file(path + "/ca.key", "is missing beside ca.crt" + repair)) { try ServerIdentity.load(in: path, names: []) }
        try "nonsense".write(toFile: path + "/ca.key", atomically: true, encoding: .utf8)
        #expect(throws: PKIError.file(path + "/ca.key", "is not a P-256 key in PEM" + repair)) { try ServerIdentity.load(in: path, names: []) }
    }

    @Test func `a start that was cut short is gone on with, or begun anew`() throws {
        let path = try directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let files = FileManager.default
        func move(_ name: String, _ other: String) throws { try files.moveItem(atPath: path + "/" + name, toPath: path + "/" + other) }
        func remove(_ names: String...) throws { for name in names { try files.removeItem(atPath: path + "/" + name) } }
        let first = try ServerIdentity.load(in: path, names: [], now: now)
        // Both were laid down; one is in its place.
        try move("ca.key", "ca.key.new")
        try remove("server.crt", "server.key")
        let second = try ServerIdentity.load(in: path, names: [], now: now)
        #expect(second.authority == first.authority && !files.fileExists(atPath: path + "/ca.key.new"))
        // The same while an authority took the place of one that had ended.
        try move("ca.key", "ca.key.new")
        try P256.Signing.PrivateKey().pemRepresentation.write(toFile: path + "/ca.key", atomically: true, encoding: .utf8)
        #expect(try ServerIdentity.load(in: path, names: [], now: now) == second)
        // Neither is in its place.
        try move("ca.key", "ca.key.new")
        try move("ca.crt", "ca.crt.new")
        try remove("server.crt", "server.key")
        let anew = try ServerIdentity.load(in: path, names: [], now: now)
        #expect(anew.authority != first.authority)
        // As versions before left it.
        try remove("ca.crt", "server.crt", "server.key")
        #expect(try ServerIdentity.load(in: path, names: [], now: now).authority != anew.authority)
        #expect(try Set(files.contentsOfDirectory(atPath: path)) == ["ca.crt", "ca.key", "server.crt", "server.key"])
        try remove("ca.crt")
        #expect(throws: PKIError.self, "it was whole, and clients trust it") { try ServerIdentity.load(in: path, names: [], now: now) }
    }

    @Test func `a name that no certificate can carry is refused`() throws {
        let path = try directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        for name in ["", "a b", "-a", "a..b"] {
            #expect(throws: PKIError.badName(name)) { try ServerIdentity.load(in: path, names: [name]) }
        }
    }
}
