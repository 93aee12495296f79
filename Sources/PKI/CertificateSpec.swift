import Foundation
import X509

/// What a key may be used for, in cert-manager's words: key usages and extended ones (RFC 5280, 4.2.1.3 and 4.2.1.12).
package enum KeyPurpose: String, Codable, Hashable, Sendable, CaseIterable {
    case digitalSignature = "digital signature", keyEncipherment = "key encipherment", keyAgreement = "key agreement"
    case contentCommitment = "content commitment", dataEncipherment = "data encipherment"
    case certSign = "cert sign", crlSign = "crl sign"
    case serverAuth = "server auth", clientAuth = "client auth", codeSigning = "code signing"
    case emailProtection = "email protection", timestamping, ocspSigning = "ocsp signing"
}

/// Whom a certificate speaks of.
package struct SubjectName: Codable, Hashable, Sendable {
    package var commonName: String?
    package var organizations: [String]
    package var organizationalUnits: [String]
    package var countries: [String]

    package init(commonName: String?, organizations: [String] = [], organizationalUnits: [String] = [], countries: [String] = []) {
        self.commonName = commonName
        self.organizations = organizations
        self.organizationalUnits = organizationalUnits
        self.countries = countries
    }

    var isEmpty: Bool { commonName == nil && organizations.isEmpty && organizationalUnits.isEmpty && countries.isEmpty }

    func distinguishedName() throws(PKIError) -> DistinguishedName {
        typealias Attribute = RelativeDistinguishedName.Attribute
        do {
            var attributes = try countries.map { try Attribute(type: .RDNAttributeType.countryName, printableString: $0) }
            attributes += organizations.map { Attribute(type: .RDNAttributeType.organizationName, utf8String: $0) }
            attributes += organizationalUnits.map { Attribute(type: .RDNAttributeType.organizationalUnitName, utf8String: $0) }
            if let commonName { attributes.append(Attribute(type: .RDNAttributeType.commonName, utf8String: commonName)) }
            return try DistinguishedName(attributes)
        } catch {
            throw .crypto("the subject: \(error)")
        }
    }
}

/// Everything that is asked of a certificate. Two that are equal ask for the same one.
package struct CertificateSpec: Codable, Hashable, Sendable {
    package var subject: SubjectName
    /// In order and each once.
    package var dnsNames: [String]
    /// In canonical spelling, in order and each once.
    package var ipAddresses: [String]
    /// In the order of `KeyPurpose` and each once.
    package var usages: [KeyPurpose]
    package var isCA: Bool
    /// How many authorities may stand below it; nil: any number. Of an authority only.
    package var maxPathLength: Int?
    package var key: KeyPolicy
    /// Seconds.
    package var life: Int64

    package init(
        subject: SubjectName, dnsNames: some Sequence<String> = [], ipAddresses: some Sequence<String> = [], usages: [KeyPurpose] = [],
        isCA: Bool = false, maxPathLength: Int? = nil, key: KeyPolicy = .usual, life: Int64
    ) {
        self.subject = subject
        self.dnsNames = Set(dnsNames).sorted()
        self.ipAddresses = Set(ipAddresses).sorted()
        self.usages = KeyPurpose.allCases.filter(usages.contains)
        self.isCA = isCA
        self.maxPathLength = maxPathLength
        self.key = key
        self.life = life
    }

    /// One of a server that also calls others.
    package static func peer(names: [String], ipAddresses: [String], key: KeyPolicy = .usual, life: Int64 = 2160 * 3600) -> CertificateSpec {
        CertificateSpec(
            subject: SubjectName(commonName: names.first), dnsNames: names, ipAddresses: ipAddresses,
            usages: [.digitalSignature, .keyEncipherment, .serverAuth, .clientAuth], key: key, life: life)
    }

    /// One of an authority.
    package static func authority(
        _ subject: SubjectName, maxPathLength: Int? = nil, key: KeyPolicy = .usual, life: Int64 = 87600 * 3600
    ) -> CertificateSpec {
        CertificateSpec(subject: subject, usages: [.certSign, .crlSign], isCA: true, maxPathLength: maxPathLength, key: key, life: life)
    }
}

extension CertificateSpec {
    func alternativeNames() throws(PKIError) -> [GeneralName] {
        var names: [GeneralName] = []
        for name in dnsNames + ipAddresses { names.append(try generalName(name)) }
        return names
    }

    /// nil for none. What RFC 8813 and RFC 8410 say that a key of this kind must not claim is left out: an ECDSA key
    /// enciphers nothing.
    var keyUsage: KeyUsage? {
        var usage = KeyUsage()
        for purpose in usages {
            switch (purpose, key) {
            case (.digitalSignature, _): usage.digitalSignature = true
            case (.contentCommitment, _): usage.nonRepudiation = true
            case (.certSign, _): usage.keyCertSign = isCA
            case (.crlSign, _): usage.cRLSign = true
            case (.keyEncipherment, .rsa): usage.keyEncipherment = true
            case (.dataEncipherment, .rsa): usage.dataEncipherment = true
            case (.keyAgreement, .ecdsa): usage.keyAgreement = true
            default: break
            }
        }
        if isCA { usage.keyCertSign = true }
        return usage == KeyUsage() ? nil : usage
    }

    /// Whether usages of the key are asked for, of which a key of this kind can have none: a certificate that names none is good for all
    /// (RFC 5280, 4.2.1.3).
    package static func losesUsages(_ usages: [KeyPurpose], isCA: Bool, key: KeyPolicy) -> Bool {
        let spec = CertificateSpec(subject: SubjectName(commonName: nil), usages: usages, isCA: isCA, key: key, life: 0)
        return spec.keyUsage == nil && spec.extendedKeyUsages.count < spec.usages.count
    }

    var extendedKeyUsages: [ExtendedKeyUsage.Usage] {
        usages.compactMap { purpose in
            switch purpose {
            case .serverAuth: .serverAuth
            case .clientAuth: .clientAuth
            case .codeSigning: .codeSigning
            case .emailProtection: .emailProtection
            case .timestamping: .timeStamping
            case .ocspSigning: .ocspSigning
            default: nil
            }
        }
    }
}
