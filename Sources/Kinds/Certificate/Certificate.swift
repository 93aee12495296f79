import Foundation
import Manifest
import PKI
import Resource

/// A leaf certificate, with cert-manager's field names.
package enum Certificate: Kind {
    package static let name = "Certificate"
    package static let plural = "certificates"
    package static let shortNames = ["cert", "certs"]
    package static let summary =
        "A certificate with its key, kept valid: names, usages, life and issuer, in cert-manager's words."
    package static let columns = [
        Column("ISSUER", "spec.issuerRef.name"), Column("NOTAFTER", "status.notAfter"), Column("NODE", "spec.node", wide: true),
        Column("RENEWAL", "status.renewalTime", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        var commonName: String?
        var subject: Subject?
        var duration: TimeSpan
        /// Before its end; nil: a third of `duration`.
        var renewBefore: TimeSpan?
        var privateKey: PrivateKey
        var dnsNames: [CertificateName]
        var ipAddresses: [IPAddressText]
        var usages: [Usage]
        var isCA: Bool
        var issuerRef: IssuerReference
        /// Names the Node it is for: the node's full and short name, its addresses and localhost are added.
        var node: ObjectName?
    }

    package struct Subject: Codable, Hashable, Sendable {
        var organizations: [String]
        var organizationalUnits: [String]
        var countries: [String]
    }

    package struct PrivateKey: Codable, Hashable, Sendable {
        package enum Algorithm: String, Codable, Hashable, Sendable, CaseIterable {
            case ecdsa = "ECDSA", rsa = "RSA", ed25519 = "Ed25519"
        }

        package enum RotationPolicy: String, Codable, Hashable, Sendable, CaseIterable { case never = "Never", always = "Always" }

        var algorithm: Algorithm
        /// ECDSA: 256, 384, 521. RSA: 2048 to 8192. Ed25519: nil.
        var size: Int?
        /// Whether each renewal makes a new key.
        var rotationPolicy: RotationPolicy
    }

    package enum Usage: String, Codable, Hashable, Sendable, CaseIterable {
        case digitalSignature = "digital signature", keyEncipherment = "key encipherment", keyAgreement = "key agreement"
        case contentCommitment = "content commitment", dataEncipherment = "data encipherment"
        case certSign = "cert sign", crlSign = "crl sign"
        case serverAuth = "server auth", clientAuth = "client auth", codeSigning = "code signing"
        case emailProtection = "email protection", timestamping, ocspSigning = "ocsp signing"
    }

    package struct IssuerReference: Codable, Hashable, Sendable {
        package enum Issuer: String, Codable, Hashable, Sendable, CaseIterable {
            case certificateAuthority = "CertificateAuthority"
        }

        var name: ObjectName
        var kind: Issuer
    }

    package struct Status: Codable, Hashable, Sendable {
        var serial: String?
        /// SHA-256 of the certificate.
        var fingerprint: Digest?
        var notBefore: Date?
        var notAfter: Date?
        var renewalTime: Date?
        /// How often it was issued.
        var revision: Int?
        /// The authority that signed it, and the certificate it signed with.
        var authority: ObjectName?
        var issuer: Digest?
        /// The roots that its holder is told to trust.
        var trust: [Digest]?
        /// The certificate, then the intermediates between it and the root, PEM.
        var certificate: String?
        /// The request for a renewal that was honoured last.
        var renewed: String?

        init() {}
    }

    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        let names = Set([spec.issuerRef.name.scalarText] + [status?.authority?.scalarText].compactMap { $0 })
        return names.sorted().map { Reference(CertificateAuthority.self, $0) } + (spec.node.map { [Reference(Node.self, $0.scalarText)] } ?? [])
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let (duration, renewBefore) = readLife(&fields, default: .hours(2160))
        let spec = Spec(
            commonName: readCommonName(&fields), subject: readSubject(&fields), duration: duration, renewBefore: renewBefore,
            privateKey: readPrivateKey(&fields),
            dnsNames: fields.scalars(
                "dnsNames", CertificateName.self, "DNS names it is valid for; *.example.org for one level below."),
            ipAddresses: fields.scalars("ipAddresses", IPAddressText.self, "IP addresses it is valid for."),
            usages: readUsages(&fields), isCA: fields.value("isCA", default: false, "Whether it may sign certificates itself."),
            issuerRef: fields.object("issuerRef", "Who signs it.", readIssuer),
            node: fields.optional("node", "Names the Node it is for; the node's names, its addresses and localhost are added."))
        guard !fields.isDrawing, fields.problems.isEmpty else { return spec }
        if spec.dnsNames.isEmpty, spec.ipAddresses.isEmpty, spec.node == nil, spec.commonName == nil {
            fields.note("is for nobody: give dnsNames, ipAddresses, node or commonName")
        }
        if CertificateSpec.losesUsages(purposes(spec.usages), isCA: spec.isCA, key: policy(spec.privateKey)) {
            fields.note("leaves this key (\(policy(spec.privateKey))) nothing to do, and without a usage it is good for all; add \"digital signature\"", at: "usages")
        }
        noteRepeats(spec.dnsNames.map(\.scalarText), "dnsNames", &fields)
        noteRepeats(spec.ipAddresses.map(\.scalarText), "ipAddresses", &fields)
        return spec
    }

    // What Certificate and CertificateAuthority have in common.

    /// Certificates cannot tell years of five digits (RFC 5280, 4.1.2.5), and no date near them is meant.
    private static let lifeMax = TimeSpan.hours(876_000)

    static func readLife(_ fields: inout Fields, default life: TimeSpan) -> (duration: TimeSpan, renewBefore: TimeSpan?) {
        let duration = fields.checked("duration", { $0.value("duration", default: life, "How long it is valid: 2160h.") }) {
            duration in
            if duration > lifeMax { return "\"\(duration)\" is longer than \(lifeMax), the most there is (100 years)" }
            return duration < .minutes(5) ? "\"\(duration)\" is shorter than 5m, the least there is" : nil
        }
        let renewBefore = fields.checked(
            "renewBefore",
            {
                $0.optional(
                    "renewBefore", TimeSpan.self, "How long before its end it is renewed; a third of duration when absent.")
            }
        ) { renewBefore in
            guard let renewBefore, renewBefore >= duration || renewBefore == .seconds(0) else { return nil }
            return "\"\(renewBefore)\" is not between nothing and the duration, \(duration)"
        }
        return (duration, renewBefore)
    }

    static func readCommonName(_ fields: inout Fields) -> String? {
        fields.checked("commonName", { $0.optional("commonName", String.self, commonNameHelp) }) {
            $0.flatMap(refusal(ofCommonName:))
        }
    }

    static let commonNameHelp = "Common name of the subject, at most 64 characters."

    static func refusal(ofCommonName name: String) -> String? {
        (1...64).contains(name.unicodeScalars.count) ? nil : "\"\(name)\" is not from 1 to 64 characters long (RFC 5280)"
    }

    static func readSubject(_ fields: inout Fields) -> Subject? {
        fields.optionalObject("subject", "Further parts of the subject.") { fields in
            let subject = Subject(
                organizations: fields.scalars("organizations", String.self, 0...8, "Organizations."),
                organizationalUnits: fields.scalars("organizationalUnits", String.self, 0...8, "Units of them."),
                countries: fields.scalars("countries", String.self, 0...8, "Countries, as two letters."))
            guard fields.isSound else { return subject }
            for (index, country) in subject.countries.enumerated() where country.count != 2 || !country.allSatisfy({ $0.isASCII && $0.isLetter }) {
                fields.note("\"\(country)\" is not a country as two letters, such as DE (ISO 3166)", at: "countries[\(index)]")
            }
            return subject
        }
    }

    static func readPrivateKey(_ fields: inout Fields) -> PrivateKey {
        fields.optionalObject("privateKey", "The key; ECDSA P-256 when absent.") { fields in
            let key = PrivateKey(
                algorithm: fields.choice("algorithm", default: .ecdsa, "Kind of key."),
                size: fields.optionalInteger("size", 256...8192, "ECDSA: 256, 384, 521. RSA: 2048 to 8192. Ed25519 has none."),
                rotationPolicy: fields.choice("rotationPolicy", default: .always, "Whether each renewal makes a new key."))
            guard !fields.isDrawing, fields.problems.isEmpty, let size = key.size else { return key }
            switch key.algorithm {
            case .ecdsa where ![256, 384, 521].contains(size):
                fields.note("\"\(size)\" is not a size of ECDSA keys: 256, 384, 521", at: "size")
            case .rsa where !(2048...8192).contains(size):
                fields.note("\"\(size)\" is not from 2048 to 8192, as RSA needs", at: "size")
            case .ed25519: fields.note("\"\(size)\" is too much: an Ed25519 key has only one size; leave it out", at: "size")
            default: break
            }
            return key
        } ?? PrivateKey(algorithm: .ecdsa, size: nil, rotationPolicy: .always)
    }

    private static func readUsages(_ fields: inout Fields) -> [Usage] {
        let usages = fields.scalars(
            "usages", Usage.self, 0...32,
            "What the key may be used for. Default: digital signature, key encipherment, server auth, client auth.")
        noteRepeats(usages.map(\.rawValue), "usages", &fields)
        return usages.isEmpty ? [.digitalSignature, .keyEncipherment, .serverAuth, .clientAuth] : usages
    }

    static func readIssuer(_ fields: inout Fields) -> IssuerReference {
        IssuerReference(
            name: fields.required("name", "Names the CertificateAuthority."),
            kind: fields.choice("kind", default: .certificateAuthority, "Kind of the issuer."))
    }

    private static func noteRepeats(_ texts: [String], _ name: String, _ fields: inout Fields) {
        for (index, text) in texts.enumerated() where texts[..<index].contains(text) && !fields.isDrawing {
            fields.note("\"\(text)\" is given twice", at: "\(name)[\(index)]")
        }
    }
}

extension Certificate.Usage: Scalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard let usage = Self(rawValue: text) else {
            let all = Self.allCases.map(\.rawValue)
            throw ScalarProblem("is not a usage of keys" + suggestion(text, all, else: ": " + all.joined(separator: ", ")))
        }
        self = usage
    }

    package var scalarText: String { rawValue }
    package static var schema: JSON {
        .object(["type": .string("string"), "enum": .array(allCases.map { .string($0.rawValue) })])
    }
    package static var example: Self { .serverAuth }
}
