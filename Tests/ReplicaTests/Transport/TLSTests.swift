import Bytes
import Foundation
import NIOSSL
import Simulation
import Testing

@testable import Replica

@Suite struct TLSTests {
    @Test func `members with certificates of one CA speak`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let a = try await Member(1, tls: certificates.make("a", by: "ca"))
        let b = try await Member(2, tls: certificates.make("b", by: "ca", names: "DNS:localhost"))
        a.transport.setPeers([b.peer(at: "localhost")])
        b.transport.setPeers([a.peer()])
        #expect(await a.reaches(b, 1))
        #expect(await b.reaches(a, 1))
        #expect(await eventually { a.counts.connected == 2 })
        b.transport.stop()
        #expect(await eventually { a.now.lost == [2] })
    }

    @Test func `a certificate of another CA gets nowhere, and the log says why, once`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        try certificates.makeCA("other")
        let a = try await Member(1, tls: certificates.make("a", by: "ca"))
        let b = try await Member(2, tls: certificates.make("b", by: "other"))
        connect(a, b)
        #expect(await eventually { a.counts.garbage > 3 && b.counts.garbage > 3 })
        #expect(a.book.lines(with: "no connection to member 2").count == 1, "\(a.book.all)")
        #expect(a.book.lines(with: "its certificate has expired or does not lead to our CA").count == 1, "\(a.book.all)")
        #expect(a.counts.connected == 0 && b.counts.connected == 0)
    }

    @Test func `an expired certificate is not taken, nor one for another host`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let a = try await Member(1, tls: certificates.make("a", by: "ca"))
        let expired = try await Member(2, tls: certificates.make("expired", by: "ca", days: -1))
        let elsewhere = try await Member(3, tls: certificates.make("elsewhere", by: "ca", names: "IP:127.0.0.9,DNS:elsewhere"))
        connect(a, expired, elsewhere)
        #expect(expired.book.lines(with: "expired on").count == 1, "\(expired.book.all)")
        #expect(await eventually { a.book.lines(with: "member 2").contains { $0.contains("has expired") } }, "\(a.book.all)")
        #expect(
            await eventually { a.book.lines(with: "its certificate is not valid for 127.0.0.1").count == 1 }, "\(a.book.all)")
        #expect(
            await eventually { elsewhere.book.lines(with: "it refuses us: the certificate of member 3 is not valid").count == 1 },
            "\(elsewhere.book.all)")
        #expect(a.counts.connected == 0)
    }

    @Test func `only allowed names may speak when names are given`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let a = try await Member(1, tls: certificates.make("a", by: "ca")) { $0.allowedNames = ["b", "c.lab"] }
        let b = try await Member(2, tls: certificates.make("b", by: "ca"))
        let c = try await Member(3, tls: certificates.make("node-c", by: "ca", names: "IP:127.0.0.1,DNS:*.lab"))
        let d = try await Member(4, tls: certificates.make("d", by: "ca"))
        connect(a, b, c, d)
        #expect(await b.reaches(a, 1))
        #expect(await c.reaches(a, 1))
        #expect(
            await eventually { !d.book.lines(with: "it refuses us: the certificate of member 4 bears none of the names").isEmpty },
            "\(d.book.all)")
        #expect(a.commits(from: 4).isEmpty)
    }

    @Test func `a client's certificate makes no member, whoever it says it is`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let files = try certificates.make("a", by: "ca")
        let a = try await Member(1, tls: files)
        let client = try await Member(9, tls: certificates.make("client", by: "ca", usage: "clientAuth"))
        client.transport.setPeers([a.peer()])
        #expect(await eventually { !client.book.lines(with: "it refuses us: the certificate of member 9 is one for clients").isEmpty }, "\(client.book.all)")
        #expect(a.counts.connected == 0)
    }

    @Test func `who speaks without TLS, or TLS without a certificate, is garbage`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let a = try await Member(1, tls: certificates.make("a", by: "ca"))
        let plain = try await Member(2)
        plain.transport.setPeers([a.peer()])
        #expect(await eventually { a.counts.garbage > 1 })
        let wire = try RawSocket(connectedTo: a.port)
        wire.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(wire.isClosed())
        #expect(a.now.hellos.isEmpty && a.counts.connected == 0)
        a.transport.setPeers([plain.peer()])
        #expect(await eventually { a.book.lines(with: "no connection to member 2").count >= 1 })
    }

    @Test func `a new certificate from a new CA is taken over step by step, under traffic`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("old")
        try certificates.makeCA("new")
        try certificates.write(certificates.text("old.pem"), to: "bundle.pem")
        func files(_ name: String) throws -> TLSFiles {
            var files = try certificates.make(name, by: "old")
            _ = try certificates.make(name + "-new", by: "new")
            files.ca = certificates.path("bundle.pem")
            return files
        }
        let (a, b) = (
            try await Member(1, tls: files("a")) { $0.reloadInterval = .milliseconds(20) },
            try await Member(2, tls: files("b")) { $0.reloadInterval = .milliseconds(20) }
        )
        connect(a, b)
        #expect(await a.reaches(b, 1))
        let talk = Task {
            var commit: UInt64 = 100
            while !Task.isCancelled {
                commit += 1
                a.send([commit], to: 2)
                b.send([commit], to: 1)
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
        try certificates.write(certificates.text("old.pem") + certificates.text("new.pem"), to: "bundle.pem")
        for member in [a, b] { #expect(await eventually { member.book.lines(with: "was read again").count >= 1 }) }
        for name in ["a", "b"] {
            try certificates.replace("\(name).pem", with: "\(name)-new.pem")
            try certificates.replace("\(name).key", with: "\(name)-new.key")
        }
        for member in [a, b] { #expect(await eventually { member.book.lines(with: "was read again").count >= 2 }) }
        try certificates.write(certificates.text("new.pem"), to: "bundle.pem")
        for member in [a, b] { #expect(await eventually { member.book.lines(with: "was read again").count >= 3 }) }
        // What was connected stays so.
        #expect(a.now.lost.isEmpty && b.now.lost.isEmpty)
        talk.cancel()
        await talk.value

        // And only the new one counts: a third member that knows nothing else gets in.
        var files = try certificates.make("c", by: "new")
        files.ca = certificates.path("new.pem")
        let c = try await Member(3, tls: files)
        connect(a, b, c)
        #expect(await c.reaches(a, 1))
        #expect(await a.reaches(c, 1))
        let late = try await Member(4, tls: certificates.make("late", by: "old"))
        connect(a, b, c, late)
        #expect(await eventually { !late.book.lines(with: "no connection to member 1").isEmpty })
        #expect(a.commits(from: 4).isEmpty)
    }

    @Test func `a certificate that cannot be read leaves the one before in use, and is told once`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let files = try certificates.make("a", by: "ca")
        _ = try certificates.make("next", by: "ca")
        let book = LogBook()
        let reloader = try TLSReloader(files, logger: book.logger)
        let first = reloader.current.notAfter
        #expect(reloader.look())
        #expect(!reloader.look())

        try certificates.write("-----BEGIN CERTIFICATE-----\nAAAA", to: "a.pem")
        for _ in 0..<5 { #expect(!reloader.look()) }
        #expect(book.lines(with: "the one before stays in use").count == 1, "\(book.all)")
        #expect(reloader.current.notAfter == first)

        try certificates.replace("a.pem", with: "next.pem")
        #expect(!reloader.look())
        #expect(book.lines(with: "does not go with the key").count == 1, "\(book.all)")
        try certificates.replace("a.key", with: "next.key")
        #expect(reloader.look())
        #expect(book.lines(with: "was read again").count == 1, "\(book.all)")
        try FileManager.default.removeItem(atPath: certificates.path("a.key"))
        #expect(!reloader.look())
        #expect(book.lines(with: "a.key: cannot be read: no such file").count == 1, "\(book.all)")
    }

    @Test func `files that cannot be used from the start are named`() throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let files = try certificates.make("a", by: "ca")
        let logger = LogBook().logger
        func failure(_ files: TLSFiles) -> String {
            do {
                _ = try TLSReloader(files, logger: logger)
                return "none"
            } catch {
                return "\(error)"
            }
        }
        #expect(failure(files) == "none")
        var wrong = files
        wrong.certificate = certificates.path("nowhere.pem")
        #expect(failure(wrong) == "\(wrong.certificate): cannot be read: no such file")
        wrong = files
        wrong.ca = files.key
        #expect(failure(wrong) == "\(wrong.ca): holds no certificate in PEM, or a damaged one")
        wrong = files
        wrong.key = files.certificate
        #expect(failure(wrong) == "\(wrong.key): is not an unencrypted private key in PEM")
    }

    @Test func `names are read from certificates, and wildcards cover one label`() throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        let files = try certificates.make("node01", by: "ca", names: "DNS:*.lab.example,DNS:Node01,IP:10.0.0.1,IP:fd00::1")
        let certificate = PeerCertificate(try NIOSSLCertificate.fromPEMFile(files.certificate)[0])
        #expect(certificate.commonName == "node01")
        #expect(["a.lab.example", "NODE01", "10.0.0.1", "fd00:0::1"].allSatisfy(certificate.isValid(for:)))
        #expect(!["lab.example", "a.b.lab.example", ".lab.example", "10.0.0.2", "node02", ""].contains(where: certificate.isValid(for:)))
        #expect(certificate.isNamed(in: ["x", "node01"]) && !certificate.isNamed(in: ["x"]))

        let seed = UInt64.random(in: 0 ... .max)
        var dice = WireDice(seed: seed)
        let whole = try NIOSSLCertificate.fromPEMFile(files.certificate)[0].toDERBytes()
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice) }
            _ = CertificateFields(der: Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &dice))))
        }
    }

    @Test func `a member whose certificate was revoked is cut off, and comes back with another`() async throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        var files = try certificates.make("a", by: "ca")
        _ = try certificates.make("b", by: "ca")
        try certificates.revoke([], by: "ca")
        files.crl = certificates.path("crl.pem")
        let a = try await Member(1, tls: files) { $0.reloadInterval = .milliseconds(50) }
        let b = try await Member(2, tls: TLSFiles(certificate: certificates.path("b.pem"), key: certificates.path("b.key"), ca: certificates.path("ca.pem")))
        connect(a, b)
        #expect(await b.reaches(a, 1))
        try certificates.revoke(["b"], by: "ca")
        #expect(await eventually { a.now.lost == [2] })
        #expect(await eventually { b.book.lines(with: "it refuses us: the certificate of member 2 was revoked").count >= 1 }, "\(b.book.all)")
        #expect(await eventually { a.book.lines(with: "was revoked").count >= 1 }, "\(a.book.all)")
        // Issued anew, with another number.
        _ = try certificates.make("next", by: "ca")
        try certificates.replace("b.pem", with: "next.pem")
        try certificates.replace("b.key", with: "next.key")
        #expect(await b.reaches(a, 2))
    }

    @Test func `revocation lists of openssl are read, damaged ones are not`() throws {
        let certificates = try Certificates()
        try certificates.makeCA("ca")
        for name in ["a", "b"] { _ = try certificates.make(name, by: "ca") }
        func fields(_ name: String) throws -> CertificateFields {
            try #require(CertificateFields(der: try NIOSSLCertificate.fromPEMFile(certificates.path(name + ".pem"))[0].toDERBytes()))
        }
        try certificates.revoke([], by: "ca")
        let empty = try RevocationLists(pem: Array(certificates.text("crl.pem").utf8))
        let (a, b) = (try fields("a"), try fields("b"))
        #expect(empty.count == 0 && !empty.name(a))
        try certificates.revoke(["b"], by: "ca")
        let text = try certificates.text("crl.pem")
        let lists = try RevocationLists(pem: Array(("a line before\n" + text + text).utf8))
        #expect(lists.count == 1 && lists.name(b) && !lists.name(a))
        // The same number of another authority is another certificate.
        var other = b
        other.issuer[other.issuer.count - 1] ^= 1
        #expect(!lists.name(other))
        for (broken, problem) in [
            ("", RevocationLists.Problem.none), ("-----BEGIN X509 CRL-----\nAAAA\n", .damaged(1)), (text + text.replacing("M", with: "!"), .damaged(2)),
            (text + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", .damaged(2)),
        ] {
            #expect(throws: problem) { _ = try RevocationLists(pem: Array(broken.utf8)) }
        }
        // A list that is not as it should be must not pass for one that names nobody: the tag of its entries, each entry's tag.
        let whole = [UInt8](try #require(Data(base64Encoded: text.split(separator: "\n").dropFirst().dropLast().joined())))
        let serial = try #require(whole.indices.first { Array(whole[$0...].prefix(b.serial.count)) == b.serial })
        // Right before the serial number's own: what comes before may be a time that ends with the digit 0, which looks like one.
        let tags = [serial - 6, serial - 4]
        #expect(tags.allSatisfy { whole[$0] == 0x30 })
        for tag in tags {
            var bytes = whole
            bytes[tag] ^= 1
            #expect(throws: RevocationLists.Problem.damaged(1), "\(tag)") {
                _ = try RevocationLists(pem: Array("-----BEGIN X509 CRL-----\n\(Data(bytes).base64EncodedString())\n-----END X509 CRL-----\n".utf8))
            }
        }
        let seed = UInt64.random(in: 0 ... .max)
        var dice = WireDice(seed: seed)
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice) }
            let cut = Data(bytes.prefix(Int.random(in: 0...bytes.count, using: &dice))).base64EncodedString()
            _ = try? RevocationLists(pem: Array("-----BEGIN X509 CRL-----\n\(cut)\n-----END X509 CRL-----\n".utf8))
        }
    }
}
