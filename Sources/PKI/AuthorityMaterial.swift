import Foundation
import X509

/// A certificate authority as it is kept: its certificate, its key, and the way up to its root. Its description tells no
/// secret.
///
/// This is the whole of issuing, without store or clock: the keepers use it on the vault, `plasma render` on files.
package struct AuthorityMaterial: Codable, Hashable, Sendable {
    package var certificatePEM: String
    package var keyPEM: String
    /// The intermediates between this authority and its root, itself first; empty for a root. PEM.
    package var chainPEM: String

    package init(certificatePEM: String, keyPEM: String, chainPEM: String = "") {
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
        self.chainPEM = chainPEM
    }

    package var isRoot: Bool { chainPEM.isEmpty }

    /// Clocks of others may be a little behind: certificates begin so many seconds before they are made.
    package static let backdating = TimeInterval(300)

    /// A new root.
    /// - Parameter keyPEM: the key to go on with; nil makes one.
    package static func make(
        _ spec: CertificateSpec, keyPEM: String? = nil, now: Date, serial: SerialNumber = SerialNumber()
    ) throws(PKIError) -> (material: AuthorityMaterial, facts: CertificateFacts) {
        let key = try Self.key(spec, keyPEM)
        let name = try spec.subject.distinguishedName()
        let made = try Encoded(try sign(
            spec, key.publicKey, issuer: name, issuerKey: key, authorityKeyIdentifier: nil, notAfterMax: nil, now: now, serial: serial))
        return (AuthorityMaterial(certificatePEM: made.pem, keyPEM: try key.pem()), made.facts)
    }

    /// What of it signs: parsed once, used often.
    package func signer() throws(PKIError) -> Signer {
        let certificate: X509.Certificate
        do {
            certificate = try X509.Certificate(pemEncoded: certificatePEM)
        } catch {
            throw .crypto("an authority that was kept is none: \(error)")
        }
        let key = try X509.Certificate.PrivateKey(sealedPEM: keyPEM)
        guard key.publicKey == certificate.publicKey else { throw .crypto("the key is not that of the authority's certificate") }
        return Signer(material: self, certificate: certificate, key: key)
    }

    /// Issues one certificate; for many, keep the `signer()`.
    /// - Parameter trustPEM: what its holder is to trust.
    package func issue(
        _ spec: CertificateSpec, trustPEM: String, keyPEM: String? = nil, now: Date, serial: SerialNumber = SerialNumber()
    ) throws(PKIError) -> IssuedIdentity {
        try signer().issue(spec, trustPEM: trustPEM, keyPEM: keyPEM, now: now, serial: serial).identity
    }

    static func key(_ spec: CertificateSpec, _ pem: String?) throws(PKIError) -> X509.Certificate.PrivateKey {
        if let pem { return try .init(sealedPEM: pem) }
        return try spec.key.makeKey()
    }

    /// - Parameter authorityKeyIdentifier: nil for one that signs itself.
    static func sign(
        _ spec: CertificateSpec, _ publicKey: X509.Certificate.PublicKey, issuer: DistinguishedName, issuerKey: X509.Certificate.PrivateKey,
        authorityKeyIdentifier: ArraySlice<UInt8>?, notAfterMax: Date?, now: Date, serial: SerialNumber
    ) throws(PKIError) -> X509.Certificate {
        let names = try spec.alternativeNames()
        let subject = try spec.subject.distinguishedName()
        let start = Date(timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down))
        let end = start.addingTimeInterval(TimeInterval(spec.life))
        do {
            var extensions = X509.Certificate.Extensions()
            try extensions.append(.init(
                spec.isCA ? BasicConstraints.isCertificateAuthority(maxPathLength: spec.maxPathLength) : .notCertificateAuthority, critical: true))
            if let usage = spec.keyUsage { try extensions.append(.init(usage, critical: true)) }
            let extended = spec.extendedKeyUsages
            if !extended.isEmpty { try extensions.append(.init(try ExtendedKeyUsage(extended), critical: false)) }
            // RFC 5280, 4.1.2.6: without a subject, the alternative names must be understood.
            if !names.isEmpty { try extensions.append(.init(SubjectAlternativeNames(names), critical: spec.subject.isEmpty)) }
            try extensions.append(.init(SubjectKeyIdentifier(hash: publicKey), critical: false))
            if let authorityKeyIdentifier {
                try extensions.append(.init(AuthorityKeyIdentifier(keyIdentifier: authorityKeyIdentifier), critical: false))
            }
            return try X509.Certificate(
                version: .v3, serialNumber: serial.value, publicKey: publicKey, notValidBefore: start.addingTimeInterval(-backdating),
                notValidAfter: notAfterMax.map { min($0, end) } ?? end, issuer: issuer, subject: subject, extensions: extensions,
                issuerPrivateKey: issuerKey)
        } catch {
            throw .crypto("\(error)")
        }
    }
}

extension AuthorityMaterial: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { isRoot ? "root authority" : "intermediate authority" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["certificatePEM": certificatePEM]) }
}

/// An authority that is ready to sign.
package struct Signer: Sendable {
    package let material: AuthorityMaterial
    let certificate: X509.Certificate
    let key: X509.Certificate.PrivateKey
    /// Of this authority, as its certificate gives it.
    private let keyIdentifier: ArraySlice<UInt8>

    init(material: AuthorityMaterial, certificate: X509.Certificate, key: X509.Certificate.PrivateKey) {
        self.material = material
        self.certificate = certificate
        self.key = key
        keyIdentifier = (try? certificate.extensions.subjectKeyIdentifier)?.keyIdentifier
            ?? SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier
    }

    package var notAfter: Date { certificate.notValidAfter }

    /// A certificate is never valid for longer than its issuer.
    /// - Parameter keyPEM: the key to go on with; nil makes one.
    package func issue(
        _ spec: CertificateSpec, trustPEM: String, keyPEM: String? = nil, now: Date, serial: SerialNumber = SerialNumber()
    ) throws(PKIError) -> (identity: IssuedIdentity, facts: CertificateFacts) {
        let key = try AuthorityMaterial.key(spec, keyPEM)
        let made = try signed(spec, key, now, serial)
        let identity = IssuedIdentity(
            certificatePEM: made.pem + material.chainPEM, trustPEM: trustPEM, keyPEM: try Self.text(key, keyPEM), serial: made.facts.serial)
        return (identity, made.facts)
    }

    /// An authority below this one.
    package func issueAuthority(
        _ spec: CertificateSpec, keyPEM: String? = nil, now: Date, serial: SerialNumber = SerialNumber()
    ) throws(PKIError) -> (material: AuthorityMaterial, facts: CertificateFacts) {
        let key = try AuthorityMaterial.key(spec, keyPEM)
        let made = try signed(spec, key, now, serial)
        let material = AuthorityMaterial(
            certificatePEM: made.pem, keyPEM: try Self.text(key, keyPEM), chainPEM: made.pem + material.chainPEM)
        return (material, made.facts)
    }

    private static func text(_ key: X509.Certificate.PrivateKey, _ kept: String?) throws(PKIError) -> String {
        if let kept { kept } else { try key.pem() }
    }

    private func signed(
        _ spec: CertificateSpec, _ key: X509.Certificate.PrivateKey, _ now: Date, _ serial: SerialNumber
    ) throws(PKIError) -> Encoded {
        guard now < certificate.notValidAfter else { throw .refused("the authority that would sign it has expired") }
        return try Encoded(try AuthorityMaterial.sign(
            spec, key.publicKey, issuer: certificate.subject, issuerKey: self.key, authorityKeyIdentifier: keyIdentifier,
            notAfterMax: certificate.notValidAfter, now: now, serial: serial))
    }

    var subjectKeyIdentifier: ArraySlice<UInt8> { keyIdentifier }
}
