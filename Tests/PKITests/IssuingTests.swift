import Bytes
import Foundation
import Testing
import X509

@testable import PKI

private let policies: [KeyPolicy] = [.ecdsa(bits: 256), .ecdsa(bits: 384), .ecdsa(bits: 521), .rsa(bits: 2048), .ed25519]

private struct Issued {
    var root: AuthorityMaterial
    var middle: AuthorityMaterial
    var identity: IssuedIdentity
    var facts: CertificateFacts

    init(_ policy: KeyPolicy, now: Date = Date()) throws {
        root = try AuthorityMaterial.make(.authority(SubjectName(commonName: "root", organizations: ["plasma"], countries: ["DE"]), key: policy), now: now).material
        middle = try root.signer().issueAuthority(.authority(SubjectName(commonName: "issuing"), maxPathLength: 0, key: policy), now: now).material
        (identity, facts) = try middle.signer().issue(
            .peer(names: ["node01.plasma.local", "node01", "localhost"], ipAddresses: ["192.168.100.11", "127.0.0.1", "fe80::1"], key: policy),
            trustPEM: root.certificatePEM, now: now)
    }

    func lay(in directory: String) throws -> Laid {
        let laid = Laid(directory: directory)
        try laid.write(identity.certificatePEM, "leaf.crt")
        try laid.write(identity.keyPEM, "leaf.key")
        try laid.write(middle.chainPEM, "chain.crt")
        try laid.write(identity.trustPEM, "ca.crt")
        return laid
    }
}

@Suite struct IssuingTests {
    @Test(.enabled(if: Tools.openssl, "openssl is not installed: apt install openssl"), arguments: policies)
    func `openssl verifies the chain strictly, for its names and uses only`(_ policy: KeyPolicy) async throws {
        try await inDirectory { path in
            let laid = try Issued(policy).lay(in: path)
            func verify(_ options: String...) throws -> (code: Int32, text: String) {
                try Tools.run(["openssl", "verify", "-x509_strict", "-CAfile", laid.trust, "-untrusted", laid.chain] + options + [laid.identity])
            }
            for purpose in ["sslserver", "sslclient"] {
                let result = try verify("-purpose", purpose)
                #expect(result.code == 0, "\(policy): \(result.text)")
            }
            for name in ["node01.plasma.local", "node01", "localhost"] { #expect(try verify("-verify_hostname", name).code == 0, "\(name)") }
            for address in ["192.168.100.11", "127.0.0.1", "fe80::1"] { #expect(try verify("-verify_ip", address).code == 0, "\(address)") }
            #expect(try verify("-verify_hostname", "node02").code != 0)
            #expect(try verify("-purpose", "smimesign").code != 0)
            #expect(try Tools.run(["openssl", "verify", "-CAfile", laid.trust, laid.identity]).code != 0, "the chain is needed")
            #expect(try Tools.run(["openssl", "pkey", "-in", laid.key, "-noout", "-check"]).code == 0)
            let text = try Tools.run(["openssl", "x509", "-in", laid.identity, "-noout", "-text"]).text
            #expect(text.contains("DNS:localhost, DNS:node01, DNS:node01.plasma.local, IP Address:127.0.0.1, IP Address:192.168.100.11, IP Address:FE80:0:0:0:0:0:0:1"), "\(text)")
            #expect(text.contains("TLS Web Server Authentication, TLS Web Client Authentication"))
            #expect(text.contains("CA:FALSE"))
            // An ECDSA key enciphers nothing (RFC 8813), whatever was asked.
            #expect(text.contains("Key Encipherment") == (policy == .rsa(bits: 2048)), "\(text)")
        }
    }

    @Test(.enabled(if: Tools.openssl, "openssl is not installed: apt install openssl"), arguments: policies)
    func `openssl accepts the revocation list, and refuses what stands on it`(_ policy: KeyPolicy) async throws {
        try await inDirectory { path in
            let now = Date()
            let root = try AuthorityMaterial.make(.authority(SubjectName(commonName: "root"), key: policy), now: now).material
            let signer = try root.signer()
            let spec = CertificateSpec.peer(names: ["a"], ipAddresses: [])
            let (good, bad) = (try signer.issue(spec, trustPEM: root.certificatePEM, now: now), try signer.issue(spec, trustPEM: root.certificatePEM, now: now))
            let laid = Laid(directory: path)
            try laid.write(root.certificatePEM, "ca.crt")
            try laid.write(good.identity.certificatePEM, "good.crt")
            try laid.write(bad.identity.certificatePEM, "bad.crt")
            for revoked in [[], [RevocationList.Entry(serial: bad.facts.serial, date: now)]] {
                let pem = try RevocationList(number: 0x1234, now: now, revoked: revoked).signed(by: signer)
                try laid.write(pem, "list.crl")
                let list = try Tools.run(["openssl", "crl", "-in", path + "/list.crl", "-CAfile", laid.trust, "-noout", "-text", "-nameopt", "oneline"])
                #expect(list.code == 0 && list.text.contains("verify OK"), "\(list.text)")
                #expect(list.text.contains("4660"), "\(list.text)")
                #expect(list.text.uppercased().contains(bad.facts.serial.uppercased()) == !revoked.isEmpty)
                func check(_ file: String) throws -> (code: Int32, text: String) {
                    try Tools.run(["openssl", "verify", "-crl_check", "-CRLfile", path + "/list.crl", "-CAfile", laid.trust, path + "/" + file])
                }
                let (first, second) = (try check("good.crt"), try check("bad.crt"))
                #expect(first.code == 0, "\(first.text)")
                #expect((second.code == 0) == revoked.isEmpty, "\(second.text)")
                #expect(revoked.isEmpty || second.text.contains("revoked"), "\(second.text)")
                // As a member of ours judges it.
                let lists = try RevocationLists(pem: Array(pem.utf8))
                #expect(lists.count == revoked.count)
                for (issued, isNamed) in [(bad, !revoked.isEmpty), (good, false)] {
                    let der = try Certificate(pemEncoded: issued.identity.certificatePEM).serializeAsPEM().derBytes
                    #expect(lists.name(try #require(CertificateFields(der: der))) == isNamed)
                }
            }
        }
    }

    @Test(.enabled(if: Tools.certutil, "certutil is not installed: apt install libnss3-tools"), arguments: policies.filter { $0 != .ed25519 })
    func `NSS verifies the chain, of the kinds that it knows in Debian 12: not Ed25519`(_ policy: KeyPolicy) async throws {
        try await inDirectory { path in
            let issued = try Issued(policy)
            let laid = try issued.lay(in: path)
            let database = "sql:" + path
            #expect(try Tools.run(["certutil", "-N", "-d", database, "--empty-password"]).code == 0)
            for (name, flags, file) in [("root", "CT,C,", laid.trust), ("issuing", ",,", laid.chain), ("leaf", ",,", laid.identity)] {
                let added = try Tools.run(["certutil", "-A", "-d", database, "-n", name, "-t", flags, "-a", "-i", file])
                #expect(added.code == 0, "\(name): \(added.text)")
            }
            for use in ["V", "C"] {
                let result = try Tools.run(["certutil", "-V", "-d", database, "-n", "leaf", "-u", use, "-e"])
                #expect(result.code == 0, "\(policy) \(use): \(result.text)")
            }
        }
    }

    @Test(.enabled(if: Tools.openssl, "openssl is not installed: apt install openssl"), arguments: policies)
    func `two ends that hold such identities shake hands, and not with a stranger`(_ policy: KeyPolicy) async throws {
        try await inDirectory { path in
            let laid = try Issued(policy).lay(in: path)
            let stranger = path + "/other"
            try FileManager.default.createDirectory(atPath: stranger, withIntermediateDirectories: true)
            let other = try Issued(policy).lay(in: stranger)
            for (client, expected) in [(laid, true), (other, false)] {
                let server = try Served(laid)
                defer { server.end() }
                let result = try Tools.run([
                    "timeout", "20", "openssl", "s_client", "-connect", "127.0.0.1:\(server.port)", "-CAfile", laid.trust, "-cert", client.identity,
                    "-cert_chain", client.chain, "-key", client.key, "-verify_return_error", "-verify_hostname", "node01", "-quiet",
                ], input: "GET / HTTP/1.0\r\n\r\n")
                #expect(result.text.contains("HTTP/1.0 200") == expected, "\(policy): \(result.text)")
            }
        }
    }

    @Test func `no certificate outlives its issuer, and each begins a little early`() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000.75)
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        let (root, facts) = try AuthorityMaterial.make(.authority(SubjectName(commonName: "root"), life: 1000), now: now)
        #expect(facts.notBefore == start - 300 && facts.notAfter == start + 1000)
        let signer = try root.signer()
        let middle = try signer.issueAuthority(.authority(SubjectName(commonName: "issuing"), life: 2000), now: now + 100)
        #expect(middle.facts.notAfter == start + 1000)
        let leaf = try middle.material.signer().issue(.peer(names: ["a"], ipAddresses: [], life: 5000), trustPEM: "", now: now + 200)
        #expect(leaf.facts.notBefore == start + 200 - 300 && leaf.facts.notAfter == start + 1000)
        #expect(throws: PKIError.refused("the authority that would sign it has expired")) {
            try signer.issue(.peer(names: ["a"], ipAddresses: []), trustPEM: "", now: now + 1001)
        }
    }

    @Test func `serial numbers are 128 bits, positive, and as openssl writes them`() throws {
        var random = SystemRandomNumberGenerator()
        var seen: Set<[UInt8]> = []
        for _ in 0..<10_000 {
            let serial = SerialNumber(using: &random)
            #expect(serial.bytes.count == 16 && (0x40...0x7f).contains(serial.bytes[0]))
            seen.insert(serial.bytes)
        }
        #expect(seen.count == 10_000)
        #expect(SerialNumber.normal("4A:0B:FF") == "4a0bff")
        #expect(SerialNumber.normal("0fff") == "0fff" && SerialNumber.normal("fff") == "0fff" && SerialNumber.normal("00000fff") == "0fff")
        #expect(SerialNumber.normal("0x4A0B") == "4a0b" && SerialNumber.normal("0Xfff") == "0fff")
        for wrong in ["", ":", "0", "0x", "x1", "00", "xyz", "4a 0b", String(repeating: "1", count: 42)] { #expect(SerialNumber.normal(wrong) == nil, "\(wrong)") }
    }

    @Test func `nothing that is printed tells a key`() throws {
        let issued = try Issued(.usual)
        for text in ["\(issued.identity)", String(reflecting: issued.identity), "\(issued.root)", String(reflecting: issued.middle), "\([issued.identity])"] {
            #expect(!text.contains("PRIVATE"), "\(text)")
        }
        var dumped = ""
        dump((issued.identity, issued.root), to: &dumped)
        #expect(!dumped.contains("PRIVATE"))
    }
}

@Suite struct RenewalTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func facts(_ life: TimeInterval, serial: String = "01") -> CertificateFacts {
        CertificateFacts(serial: serial, fingerprint: "", notBefore: start - 300, notAfter: start + life)
    }

    @Test func `a fleet that was issued at once is renewed over a tenth of the time that is left`() {
        let life = TimeInterval(90 * 86_400)
        let dates = (0..<10_000).map { Renewal.date(of: facts(life, serial: "\($0)"), renewBefore: nil, uid: "u") }
        let (first, last) = (start + life * 2 / 3 - life / 30, start + life * 2 / 3)
        #expect(dates.allSatisfy { first - 1 <= $0 && $0 <= last })
        let buckets = Dictionary(grouping: dates) { Int($0.timeIntervalSince(first) / (life / 30) * 10) }.mapValues(\.count)
        #expect((0..<10).allSatisfy { 800...1200 ~= buckets[$0] ?? 0 }, "\(buckets)")
        #expect(dates == (0..<10_000).map { Renewal.date(of: facts(life, serial: "\($0)"), renewBefore: nil, uid: "u") })
        #expect(Renewal.date(of: facts(life), renewBefore: nil, uid: "u") != Renewal.date(of: facts(life), renewBefore: nil, uid: "v"))
    }

    @Test func `whatever renewBefore says, there is time between issue and renewal`() {
        for life in [300, 3600, 86_400, 315_360_000] as [TimeInterval] {
            for share in [0.001, 0.1, 0.5, 0.9, 0.999, 1, 5] {
                let date = Renewal.date(of: facts(life), renewBefore: life * share, uid: "u")
                #expect(date < start + life, "\(life) \(share)")
                #expect(share >= 1 || date >= start + (life * (1 - share) * 0.9).rounded(.down), "\(life) \(share)")
                #expect(share < 1 || date >= start + life * 0.6, "\(life) \(share)")
            }
        }
    }

    @Test func `what a clock that was ahead made, and is not valid yet, is made anew`() {
        func isDue(_ now: Date) -> Bool { Renewal.isDue(facts(1000), renewBefore: nil, life: 10, uid: "u", issuerNotAfter: nil, now: now) }
        #expect(isDue(start - 301) && !isDue(start - 300))
        let list = RevocationList(number: 1, now: start, revoked: [])
        func isListDue(_ now: Date) -> Bool { RevocationList.isDue(nextUpdate: list.nextUpdate, now: now) }
        #expect(isListDue(start - 301) && !isListDue(start - 300) && !isListDue(start + 400_000) && isListDue(start + 404_000))
    }

    @Test func `under an issuer that ends no later, a renewal would gain nothing`() {
        let due = start + 900
        func isDue(_ issuer: Date?) -> Bool {
            Renewal.isDue(facts(1000), renewBefore: nil, life: 1000, uid: "u", issuerNotAfter: issuer, now: due)
        }
        #expect(isDue(nil) && isDue(start + 1002))
        #expect(!isDue(start + 1000))
    }
}

/// `openssl s_server` on the loopback, for one client that must show a certificate.
private struct Served {
    let process = Process()
    var port = 0

    init(_ laid: Laid) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", laid.identity, "-cert_chain", laid.chain, "-key", laid.key,
            "-CAfile", laid.trust, "-Verify", "3", "-verify_return_error", "-www", "-naccept", "1",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var text = ""
        while true {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
            guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT ") }), text.contains("\n"),
                let number = line.split(separator: ":").last.flatMap({ Int($0) })
            else { continue }
            port = number
            break
        }
    }

    func end() {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
    }
}
