import Foundation
import Store

extension Vault {
    /// What was issued for a Certificate; nil when nothing was yet.
    /// - Throws: `PKIError`.
    package func identity(ofCertificate name: String) async throws(PKIError) -> IssuedIdentity? {
        try await certificate(name)?.value.identity
    }

    /// Every root that those who trust a CertificateAuthority are to trust, PEM; nil when there is none yet.
    /// - Throws: `PKIError`.
    package func trust(ofAuthority name: String) async throws(PKIError) -> String? {
        try await footing(ofAuthority: name)?.anchors.map(\.certificatePEM).joined()
    }

    func certificate(_ name: String) async throws(PKIError) -> Versioned<SealedCertificate>? {
        try await read(SealedCertificate.name(name)) { bytes throws(PKIError) in
            try Self.decode(SealedCertificate.self, bytes, SealedCertificate.name(name))
        }
    }

    func replace(
        _ name: String, expecting: Revision, with value: some Encodable, standingOn: [(name: String, revision: Revision)] = []
    ) async throws(PKIError) {
        let bytes: [UInt8]
        do {
            bytes = Array(try JSONEncoder().encode(value))
        } catch {
            throw .crypto("\(error)")
        }
        try await replace(name, expecting: expecting, bytes, standingOn: standingOn)
    }
}

/// An authority together with what it stands on: what is made from these values is good as long as none has changed.
struct AuthorityFooting: Sendable {
    var authority: SealedAuthority
    /// The roots that its certificates are to be checked against, in the order of their fingerprints.
    var anchors: [Anchor]
    /// Names and revisions of the values that say so: of the authority and of all above it.
    var standingOn: [(name: String, revision: Revision)]
}

extension Vault {
    /// nil when there is no such authority.
    func footing(ofAuthority name: String) async throws(PKIError) -> AuthorityFooting? {
        var found: [String: Anchor] = [:]
        var seen: [String: Revision] = [:]
        var first: SealedAuthority?
        var open = [name]
        while let next = open.popLast() {
            if seen[next] != nil { continue }
            guard let authority = try await authority(next) else {
                if next == name { return nil }
                throw .missing("the authority \(next), which stands above \(name),")
            }
            if next == name { first = authority.value }
            seen[next] = authority.revision
            for part in authority.value.parts {
                if let issuer = part.issuer {
                    open.append(issuer)
                } else {
                    found[part.facts.fingerprint] = Anchor(fingerprint: part.facts.fingerprint, certificatePEM: part.material.certificatePEM)
                }
            }
        }
        return first.map { first in
            AuthorityFooting(
                authority: first, anchors: found.keys.sorted().compactMap { found[$0] },
                standingOn: seen.keys.sorted().map { (SealedAuthority.name($0), seen[$0] ?? 0) })
        }
    }
}
