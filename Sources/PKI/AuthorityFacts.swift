import Foundation

/// What may be told of an authority that is kept: everything but keys.
package struct AuthorityFacts: Hashable, Sendable {
    /// One of its certificates.
    package struct Part: Hashable, Sendable {
        package var certificate: CertificateFacts
        package var certificatePEM: String
        package var spec: CertificateSpec
        /// The authority that signed it, and the fingerprint of the certificate it signed with; nil: itself.
        package var issuer: String?
        package var issuerFingerprint: String?

        package init(
            certificate: CertificateFacts, certificatePEM: String, spec: CertificateSpec, issuer: String? = nil, issuerFingerprint: String? = nil
        ) {
            self.certificate = certificate
            self.certificatePEM = certificatePEM
            self.spec = spec
            self.issuer = issuer
            self.issuerFingerprint = issuerFingerprint
        }

        init(_ part: SealedAuthority.Part) {
            self.init(
                certificate: part.facts, certificatePEM: part.material.certificatePEM, spec: part.spec, issuer: part.issuer,
                issuerFingerprint: part.issuerFingerprint)
        }
    }

    package var current: Part
    package var next: Part?
    package var previous: Part?
    package var phase: RolloverPhase?
    package var settledAt: Date?
    package var revision: Int
    package var renewed: String?
    /// Serial numbers, in the order they were revoked.
    package var revoked: [String]
    /// The revocation lists, PEM, and when they must be made anew.
    package var listPEM: String
    package var listNextUpdate: Date

    package init(
        current: Part, next: Part? = nil, previous: Part? = nil, phase: RolloverPhase? = nil, settledAt: Date? = nil, revision: Int = 1,
        renewed: String? = nil, revoked: [String] = [], listPEM: String = "", listNextUpdate: Date
    ) {
        self.current = current
        self.next = next
        self.previous = previous
        self.phase = phase
        self.settledAt = settledAt
        self.revision = revision
        self.renewed = renewed
        self.revoked = revoked
        self.listPEM = listPEM
        self.listNextUpdate = listNextUpdate
    }

    init(_ kept: SealedAuthority) {
        self.init(
            current: Part(kept.current), next: kept.next.map(Part.init), previous: kept.previous.map(Part.init), phase: kept.phase,
            settledAt: kept.settledAt, revision: kept.revision, renewed: kept.renewed, revoked: kept.revoked.map(\.serial),
            listPEM: kept.list.pem, listNextUpdate: kept.list.nextUpdate)
    }

    package var parts: [Part] { [current] + [next, previous].compactMap { $0 } }
}

/// What may be told of an identity that is kept.
package struct IdentityFacts: Hashable, Sendable {
    package var certificate: CertificateFacts
    /// The certificate, then the intermediates between it and the root.
    package var certificatePEM: String
    package var spec: CertificateSpec
    package var authority: String
    package var issuerFingerprint: String
    /// Fingerprints of the roots that its holder is told to trust, in order.
    package var trust: [String]
    package var revision: Int
    package var renewed: String?

    package init(
        certificate: CertificateFacts, certificatePEM: String = "", spec: CertificateSpec, authority: String, issuerFingerprint: String, trust: [String], revision: Int,
        renewed: String? = nil
    ) {
        self.certificate = certificate
        self.certificatePEM = certificatePEM
        self.spec = spec
        self.authority = authority
        self.issuerFingerprint = issuerFingerprint
        self.trust = trust
        self.revision = revision
        self.renewed = renewed
    }

    init(_ kept: SealedCertificate) {
        self.init(
            certificate: kept.facts, certificatePEM: kept.identity.certificatePEM, spec: kept.spec, authority: kept.authority,
            issuerFingerprint: kept.issuerFingerprint, trust: kept.trust, revision: kept.revision, renewed: kept.renewed)
    }
}
