import Foundation

/// The phases of a change of authorities. No handshake fails in any of them, nor between two.
package enum RolloverPhase: String, Codable, Hashable, Sendable, CaseIterable {
    /// The new root stands in every bundle beside the old one, which still signs.
    case trustBoth = "TrustBoth"
    /// The new one signs, and certificates are made anew under it.
    case reissue = "Reissue"
    /// Nothing hangs on the old one any more; it leaves the bundles.
    case dropOld = "DropOld"
}

/// What the vault keeps of an authority: all of it in one value, so that nothing can be half written.
struct SealedAuthority: Codable, Hashable, Sendable {
    /// One certificate and key of the authority.
    struct Part: Codable, Hashable, Sendable {
        var material: AuthorityMaterial
        var facts: CertificateFacts
        var spec: CertificateSpec
        /// The authority that signed it, and the fingerprint of the certificate it signed with; nil: itself.
        var issuer: String?
        var issuerFingerprint: String?
    }

    /// What signs.
    var current: Part
    /// In `TrustBoth`: what will.
    var next: Part?
    /// In `Reissue`: what did.
    var previous: Part?
    var phase: RolloverPhase?
    /// When it was seen that the phase had reached everything that hangs on the authority.
    var settledAt: Date?
    /// How often it was issued.
    var revision: Int
    /// The request for a renewal that was honoured last.
    var renewed: String?
    var revoked: [RevocationList.Entry]
    var list: List
    /// Lists of authorities below this one that are gone: what they signed would be believed again without.
    var inherited: [Inherited]?

    struct Inherited: Codable, Hashable, Sendable {
        /// Fingerprint of what signed it.
        var signer: String
        var pem: String
        /// When what signed the list ends, and all that it signed with it.
        var notAfter: Date
    }

    /// The lists of everything that signed what may still be in use, as they were last signed.
    struct List: Codable, Hashable, Sendable {
        var number: Int64
        var thisUpdate: Date
        var nextUpdate: Date
        var pem: String
    }

    var parts: [Part] { [current] + [next, previous].compactMap { $0 } }

    static func name(_ authority: String) -> String { "authority/" + authority }

    /// What signs now bears another name than what did: its lists say nothing of what that signed.
    var isRenamed: Bool { previous.map { $0.spec.subject != current.spec.subject } ?? false }

    /// A last list of one of its parts, with more that it signed; nil where it would name nobody.
    func lastList(of part: Part, and more: [RevocationList.Entry], _ now: Date) throws(PKIError) -> Inherited? {
        let known = Set(revoked.map(\.serial))
        let all = revoked.filter { !$0.isOver(now) } + more.filter { !known.contains($0.serial) }
        guard !all.isEmpty, part.facts.notAfter > now else { return nil }
        let pem = try RevocationList(number: list.number + 1, now: now, revoked: all).signed(by: try part.material.signer())
        return Inherited(signer: part.facts.fingerprint, pem: pem, notAfter: part.facts.notAfter)
    }

    mutating func inherit(_ lists: [Inherited]) {
        let signers = Set(lists.map(\.signer))
        inherited = (inherited ?? []).filter { !signers.contains($0.signer) } + lists
    }

    /// Signs the lists anew, with what signs now and what did.
    mutating func signLists(_ now: Date) throws(PKIError) {
        // By the list before, too: a clock that is ahead for a while makes nobody forgotten.
        let time = min(now, list.nextUpdate)
        revoked.removeAll { $0.isOver(time) }
        inherited?.removeAll { $0.notAfter < time }
        let next = RevocationList(number: list.number + 1, now: now, revoked: revoked)
        var pem = ""
        for part in [current] + [previous].compactMap({ $0 }) { pem += try next.signed(by: try part.material.signer()) }
        pem += (inherited ?? []).map(\.pem).joined()
        list = List(number: next.number, thisUpdate: next.thisUpdate, nextUpdate: next.nextUpdate, pem: pem)
    }
}

/// What the vault keeps of a certificate: identity, trust and what they were made from, in one value.
struct SealedCertificate: Codable, Hashable, Sendable {
    var identity: IssuedIdentity
    var facts: CertificateFacts
    var spec: CertificateSpec
    /// The authority, and the fingerprint of the certificate that it signed with.
    var authority: String
    var issuerFingerprint: String
    /// Fingerprints of the roots in `trustPEM`, in order.
    var trust: [String]
    /// How often it was issued.
    var revision: Int
    /// The request for a renewal that was honoured last.
    var renewed: String?
    /// What it took the place of, as long as that has not ended.
    var former: [Former]?

    /// A certificate by its authority and number.
    struct Former: Codable, Hashable, Sendable {
        var authority: String
        var serial: String
        var notAfter: Date
    }

    /// All that whoever has a copy could still show.
    func standing(_ now: Date) -> [Former] {
        ((former ?? []) + [Former(authority: authority, serial: facts.serial, notAfter: facts.notAfter)]).filter { $0.notAfter > now }
    }

    static func name(_ certificate: String) -> String { "certificate/" + certificate }
}

/// A root that is trusted.
package struct Anchor: Codable, Hashable, Sendable {
    /// SHA-256 of the certificate (DER), in hexadecimal.
    package var fingerprint: String
    package var certificatePEM: String

    package init(fingerprint: String, certificatePEM: String) {
        self.fingerprint = fingerprint
        self.certificatePEM = certificatePEM
    }
}
