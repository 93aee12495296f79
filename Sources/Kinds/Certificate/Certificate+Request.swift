import Foundation
import Manifest
import PKI
import Reconcile
import Resource

extension Certificate {
    /// What is asked of the authority, with the names of its node; nil while the node is not there.
    static func request(_ certificate: Resource<Certificate>, _ reader: some RecordLookup) -> CertificateSpec? {
        let spec = certificate.spec
        var names = spec.dnsNames.map(\.scalarText)
        var addresses = spec.ipAddresses.map(\.scalarText)
        var commonName = spec.commonName
        if let name = spec.node?.scalarText {
            guard let node = reader.get(Node.self, name) else { return nil }
            names += [node.spec.fullName, node.spec.hostname.scalarText, "localhost"]
            addresses += node.spec.interfaces.compactMap { $0.address?.scalarText } + ["127.0.0.1"]
            if node.spec.fullName.unicodeScalars.count <= 64 { commonName = commonName ?? node.spec.fullName }
        }
        return CertificateSpec(
            subject: subject(commonName, spec.subject), dnsNames: names, ipAddresses: addresses, usages: purposes(spec.usages), isCA: spec.isCA,
            key: policy(spec.privateKey), life: spec.duration.milliseconds / 1000)
    }

    static func purposes(_ usages: [Usage]) -> [KeyPurpose] { usages.compactMap { KeyPurpose(rawValue: $0.rawValue) } }

    static func subject(_ commonName: String?, _ subject: Subject?) -> SubjectName {
        SubjectName(
            commonName: commonName, organizations: subject?.organizations ?? [], organizationalUnits: subject?.organizationalUnits ?? [],
            countries: subject?.countries ?? [])
    }

    static func policy(_ key: PrivateKey) -> KeyPolicy {
        switch key.algorithm {
        case .ecdsa: .ecdsa(bits: key.size ?? 256)
        case .rsa: .rsa(bits: key.size ?? 2048)
        case .ed25519: .ed25519
        }
    }

    /// Where what was issued is not what is asked, in the order of the fields.
    static func differences(_ seen: CertificateSpec, _ wanted: CertificateSpec) -> [Difference] {
        var found: [Difference] = []
        func compare(_ path: String, _ seen: JSON?, _ wanted: JSON?) {
            if seen != wanted { found.append(Difference("spec." + path, seen: seen, wanted: wanted, impact: .reload)) }
        }
        func list(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }
        func whole(_ subject: SubjectName) -> JSON { list(subject.organizations + subject.organizationalUnits + subject.countries) }
        compare("commonName", seen.subject.commonName.map { .string($0) }, wanted.subject.commonName.map { .string($0) })
        if seen.subject.organizations != wanted.subject.organizations || seen.subject.organizationalUnits != wanted.subject.organizationalUnits
            || seen.subject.countries != wanted.subject.countries
        {
            found.append(Difference("spec.subject", seen: whole(seen.subject), wanted: whole(wanted.subject), impact: .reload))
        }
        compare("duration", .string(TimeSpan.seconds(seen.life).scalarText), .string(TimeSpan.seconds(wanted.life).scalarText))
        compare("privateKey", .string(seen.key.description), .string(wanted.key.description))
        compare("dnsNames", list(seen.dnsNames), list(wanted.dnsNames))
        compare("ipAddresses", list(seen.ipAddresses), list(wanted.ipAddresses))
        compare("usages", list(seen.usages.map(\.rawValue)), list(wanted.usages.map(\.rawValue)))
        compare("isCA", .bool(seen.isCA), .bool(wanted.isCA))
        compare("maxPathLength", seen.maxPathLength.map { .integer(Int64($0)) }, wanted.maxPathLength.map { .integer(Int64($0)) })
        return found
    }

    /// Asks for one renewal, whatever its text; another text asks for another.
    package static let renewAnnotation = "plasma.cloud/renew"
}

/// How soon a certificate's time should be looked at again. In steps, so that two looks see the same.
enum Pace: Hashable, Sendable {
    case soon, minutes, often, rarely

    /// - Parameter seconds: until something is to be done.
    init(until seconds: TimeInterval) {
        switch seconds {
        case ..<600: self = .soon
        case ..<7200: self = .minutes
        case ..<172_800: self = .often
        default: self = .rarely
        }
    }

    var lookAgain: Duration {
        switch self {
        case .soon: .seconds(2)
        case .minutes: .seconds(60)
        case .often: .seconds(600)
        case .rarely: .seconds(3600)
        }
    }
}

/// A fingerprint as records show it. What PKI tells is always 64 digits.
func digest(_ fingerprint: String) -> Digest? { try? Digest(scalar: "sha256:" + fingerprint) }
