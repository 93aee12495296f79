import Foundation
import Store

/// The certificates, with their keys, that a vault keeps. Every change is one write of one value: certificate, key and
/// trust never part.
package struct Identities: Sendable {
    private let vault: Vault
    private let makeSerial: @Sendable () -> SerialNumber
    private let signers = SignerCache()

    /// What is to be issued.
    package struct Wish: Hashable, Sendable {
        package var name: String
        package var spec: CertificateSpec
        /// The authority, and the fingerprint of the certificate it is to sign with.
        package var authority: String
        package var issuerFingerprint: String
        /// Fingerprints of the roots that its holder is to trust, in order.
        package var trust: [String]
        /// Go on with the key it has.
        package var keepsKey: Bool
        /// The request for a renewal that this honours.
        package var renewed: String?
        /// How often it was issued before; 0: never.
        package var replacing: Int

        package init(
            name: String, spec: CertificateSpec, authority: String, issuerFingerprint: String, trust: [String], keepsKey: Bool = false,
            renewed: String? = nil, replacing: Int = 0
        ) {
            self.name = name
            self.spec = spec
            self.authority = authority
            self.issuerFingerprint = issuerFingerprint
            self.trust = trust
            self.keepsKey = keepsKey
            self.renewed = renewed
            self.replacing = replacing
        }
    }

    package init(vault: Vault, makeSerial: @escaping @Sendable () -> SerialNumber = { SerialNumber() }) {
        self.vault = vault
        self.makeSerial = makeSerial
    }

    /// What may be told of a certificate; nil when it was not issued yet.
    package func facts(of name: String) async throws(PKIError) -> IdentityFacts? {
        try await vault.certificate(name).map { IdentityFacts($0.value) }
    }

    /// The names of all that are kept.
    package func names() async throws(PKIError) -> [String] {
        try await vault.names(below: SealedCertificate.name("")).map { String($0.dropFirst(SealedCertificate.name("").count)) }
    }

    /// Issues, unless that was done already.
    /// - Throws: `PKIError.changed` when the authority is not what the wish says: nothing is ever issued by one that
    ///   another has taken the place of.
    package func issue(_ wish: Wish, now: Date) async throws(PKIError) {
        let kept = try await vault.certificate(wish.name)
        guard (kept?.value.revision ?? 0) == wish.replacing else { return }
        let footing = try await footing(wish.authority, wish.trust)
        let current = footing.authority.current
        guard current.facts.fingerprint == wish.issuerFingerprint else { throw .changed("the authority \(wish.authority)") }
        let (identity, facts) = try signers.signer(current).issue(
            wish.spec, trustPEM: footing.anchors.map(\.certificatePEM).joined(), keyPEM: wish.keepsKey ? kept?.value.identity.keyPEM : nil,
            now: now, serial: makeSerial())
        let sealed = SealedCertificate(
            identity: identity, facts: facts, spec: wish.spec, authority: wish.authority, issuerFingerprint: wish.issuerFingerprint,
            trust: wish.trust, revision: wish.replacing + 1, renewed: wish.renewed, former: kept?.value.standing(now))
        try await vault.replace(
            SealedCertificate.name(wish.name), expecting: kept?.revision ?? 0, with: sealed, standingOn: footing.standingOn)
    }

    /// Changes what the holder is to trust, and nothing else.
    package func renewTrust(_ name: String, _ trust: [String]) async throws(PKIError) {
        guard let kept = try await vault.certificate(name) else { throw .missing("the certificate \(name)") }
        let footing = try await footing(kept.value.authority, trust)
        var next = kept.value
        next.trust = trust
        next.identity.trustPEM = footing.anchors.map(\.certificatePEM).joined()
        if next == kept.value { return }
        try await vault.replace(SealedCertificate.name(name), expecting: kept.revision, with: next, standingOn: footing.standingOn)
    }

    /// Destroys the certificate's key, and forgets it.
    /// - Parameter authorities: there, it is put on a list with those that it took the place of; nil: nowhere.
    package func remove(_ name: String, revokingIn authorities: Authorities?, now: Date) async throws(PKIError) {
        guard let authorities else { return try await vault.delete(SealedCertificate.name(name)) }
        // First: whoever is stopped in between does it again.
        let standing = try await vault.certificate(name)?.value.standing(now) ?? []
        for (authority, own) in Dictionary(grouping: standing, by: \.authority).sorted(by: { $0.key < $1.key }) {
            let entries = own.map { RevocationList.Entry(serial: $0.serial, date: now, notAfter: $0.notAfter) }
            // An authority that is gone has put on its last list what it had signed.
            do throws(PKIError) { try await authorities.revoke(authority, entries, now: now) } catch .missing {}
        }
        try await vault.delete(SealedCertificate.name(name))
    }

    private func footing(_ authority: String, _ trust: [String]) async throws(PKIError) -> AuthorityFooting {
        guard let footing = try await vault.footing(ofAuthority: authority) else { throw .missing("the authority \(authority)") }
        guard footing.anchors.map(\.fingerprint) == trust else { throw .changed("the authority \(authority)") }
        return footing
    }
}
