import Bytes
import Foundation
import Host
import Reconcile
import Resource
import Simulation
import Store
import Testing

@testable import Kinds
@testable import PKI

/// By what a list names it.
private func fields(_ identity: IssuedIdentity) throws -> CertificateFields {
    let lines = identity.certificatePEM.split(separator: "\n").prefix { !$0.hasPrefix("-----END") }.dropFirst()
    return try #require(Data(base64Encoded: lines.joined()).flatMap { CertificateFields(der: [UInt8]($0)) })
}

/// Everybody has read before anybody writes.
private struct Hesitant: Store {
    let store: MemoryStore

    func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult { try await store.range(request) }

    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        for _ in 0..<100 { await Task.yield() }
        return try await store.commit(transaction)
    }

    func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch { try await store.watch(range, from: revision) }
    func compact(through revision: Revision) async throws(StoreError) { try await store.compact(through: revision) }
}

struct RevocationTests {
    @Test func `a revoked certificate is replaced, with a new key, and its number stands on the list`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(rotation: "Never"))
            try await world.settle()
            let before = try #require(try await world.vault.identity(ofCertificate: "n2"))
            world.annotate(Reference(Certificate.self, "n2"), Certificate.renewAnnotation, "1")
            try await world.settle()
            let renewed = try #require(try await world.vault.identity(ofCertificate: "n2"))
            #expect(renewed.serial != before.serial && renewed.keyPEM == before.keyPEM, "rotationPolicy: Never keeps the key")
            #expect(world.ledger.get(CertificateAuthority.self, "issuing")?.status?.detail.revoked == nil, "what was renewed is not revoked")
            world.annotate(Reference(CertificateAuthority.self, "issuing"), CertificateAuthority.revokeAnnotation, renewed.serial.uppercased())
            try await world.settle()
            let after = try #require(try await world.vault.identity(ofCertificate: "n2"))
            #expect(after.serial != renewed.serial && after.keyPEM != renewed.keyPEM)
            #expect(world.ledger.get(CertificateAuthority.self, "issuing")?.status?.detail.revoked == [renewed.serial])
            // The annotation may go; what is revoked stays so.
            world.annotate(Reference(CertificateAuthority.self, "issuing"), CertificateAuthority.revokeAnnotation, nil)
            world.time.advance(by: .seconds(6 * 86_400))
            try await world.settle()
            let issuing = try #require(world.ledger.get(CertificateAuthority.self, "issuing")?.status?.detail)
            #expect(issuing.revoked == [renewed.serial])
            #expect(issuing.crlNextUpdate.map { $0 > world.time.date().addingTimeInterval(6 * 86_400) } == true, "the list was signed anew")
        }
    }

    @Test func `whoever kept a copy of a deleted certificate, or of one before it, is on the list, and stays there when its authority goes`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            var copies = [try #require(try await world.vault.identity(ofCertificate: "n2"))]
            world.annotate(Reference(Certificate.self, "n2"), Certificate.renewAnnotation, "1")
            try await world.settle()
            copies.append(try #require(try await world.vault.identity(ofCertificate: "n2")))
            let kept = try #require(try await world.vault.identity(ofCertificate: "n1"))
            func lists(_ authority: String) throws -> RevocationLists {
                try RevocationLists(pem: Array(try #require(world.ledger.get(CertificateAuthority.self, authority)?.status?.detail.crl).utf8))
            }
            world.leave(Reference(Certificate.self, "n2"))
            try await world.settle()
            let now = try lists("issuing")
            for copy in copies { #expect(now.name(try fields(copy))) }
            #expect(!now.name(try fields(kept)) && now.count == 2)
            // The authority below goes; the one above it keeps what it said.
            for name in ["n1", "n3"] { world.leave(Reference(Certificate.self, name)) }
            try await world.settle()
            world.leave(Reference(CertificateAuthority.self, "issuing"))
            try await world.settle()
            #expect(world.ledger.get(CertificateAuthority.self, "issuing") == nil)
            let root = try lists("root")
            for copy in copies + [kept] { #expect(root.name(try fields(copy))) }
            // Nobody needs the entry of what has ended long ago.
            #expect(root.count == 5)
            for days in [2 * 365, 6] as [Int64] {
                world.time.advance(by: .seconds(days * 86_400))
                try await world.settle()
            }
            #expect(try lists("root").count == 4 && !lists("root").name(fields(kept)))
        }
    }

    @Test func `an authority that takes another name leaves a last list under the one before`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(hold: "0s"))
            try await world.settle()
            let copy = try #require(try await world.vault.identity(ofCertificate: "n2"))
            try world.put(rolloverText(hold: "0s").replacingOccurrences(of: "commonName: issuing,", with: "commonName: renamed,"))
            try await world.settle()
            let now = try #require(try await world.vault.identity(ofCertificate: "n2"))
            let crl = try #require(world.ledger.get(CertificateAuthority.self, "issuing")?.status?.detail.crl)
            let lists = try RevocationLists(pem: Array(crl.utf8))
            let (before, after) = (try fields(copy), try fields(now))
            #expect(before.issuer != after.issuer)
            #expect(lists.name(before) && !lists.name(after))
        }
    }

    @Test func `an authority whose own certificate is revoked gets another one with a new key, and so does what it signed`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            let text = rolloverText(hold: "0s").replacing("commonName: issuing,", with: "commonName: issuing, privateKey: {rotationPolicy: Never},")
            try world.put(text)
            try await world.settle()
            let before = try #require(try await world.vault.authority("issuing")?.value.current)
            let copy = try #require(try await world.vault.identity(ofCertificate: "n2"))
            world.annotate(Reference(CertificateAuthority.self, "root"), CertificateAuthority.revokeAnnotation, before.facts.serial)
            try await world.settle()
            let after = try #require(try await world.vault.authority("issuing")?.value.current)
            #expect(after.facts.serial != before.facts.serial && after.material.keyPEM != before.material.keyPEM)
            #expect(try await world.vault.identity(ofCertificate: "n2")?.serial != copy.serial)
            #expect(world.isReady, "\(world.phases)")
        }
    }

    @Test func `what many revoke at once of one authority is revoked`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            let vault = Vault(store: Hesitant(store: world.store), sealingKeyFile: path + "/vault.key")
            let now = world.time.date()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 10..<18 { group.addTask { try await Authorities(vault: vault).revoke("issuing", ["\(number)"], now: now) } }
                try await group.waitForAll()
            }
            #expect(try await Authorities(vault: vault).facts(of: "issuing")?.revoked.sorted() == (10..<18).map { "\($0)" })
        }
    }

    @Test func `a clock that was ahead for a while leaves nothing that is not valid yet, and nobody is forgotten`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText(hold: "10m"))
            try await world.settle()
            let serial = try #require(try await world.vault.identity(ofCertificate: "n2")?.serial)
            world.leave(Reference(Certificate.self, "n2"))
            try await world.settle()
            // A change begins and comes to rest with the clock ahead.
            var ahead = world.ahead(2 * 365 * 86_400)
            ahead.annotate(Reference(CertificateAuthority.self, "root"), Certificate.renewAnnotation, "1")
            try await ahead.settle()
            world.ledger = ahead.ledger
            #expect(world.ledger.get(CertificateAuthority.self, "root")?.status?.detail.rollover == "TrustBoth")
            for _ in 0..<24 {
                try await world.settle()
                world.time.advance(by: .seconds(600))
            }
            #expect(world.isReady, "\(world.phases)")
            let now = world.time.date()
            for certificate in world.ledger.list(Certificate.self) {
                #expect(certificate.status?.detail.notBefore.map { $0 <= now } == true, "\(certificate.name)")
            }
            for authority in world.ledger.list(CertificateAuthority.self) {
                let status = try #require(authority.status?.detail)
                #expect(status.rollover == nil && status.notBefore.map { $0 <= now } == true, "\(authority.name)")
                #expect(status.crlNextUpdate.map { $0 <= now.addingTimeInterval(RevocationList.life) } == true, "\(authority.name)")
            }
            #expect(world.ledger.get(CertificateAuthority.self, "issuing")?.status?.detail.revoked == [serial])
        }
    }

    @Test func `an authority is told that its list was changed for somebody else`() async throws {
        try await inRolloverDirectory { path in
            var world = CertificateWorld(directory: path, seed: 1)
            try world.put(rolloverText())
            try await world.settle()
            let authorities = Authorities(vault: world.vault)
            var wakes = authorities.wakes(SystemTime()).makeAsyncIterator()
            try await Identities(vault: world.vault).remove("n3", revokingIn: authorities, now: world.time.date())
            #expect(await wakes.next() == "issuing")
            // Once more, as after a crash: there is nothing left to do.
            try await Identities(vault: world.vault).remove("n3", revokingIn: authorities, now: world.time.date())
            #expect(try await authorities.facts(of: "issuing")?.revoked.count == 1)
        }
    }
}
