import Foundation
import Manifest
import Resource

/// What signs certificates: a root of its own, or below another one.
package enum CertificateAuthority: Kind {
    package static let name = "CertificateAuthority"
    package static let plural = "certificateauthorities"
    package static let shortNames = ["ca", "cas"]
    package static let summary = "A certificate authority of the cluster, in cert-manager's words."
    package static let columns = [
        Column("COMMONNAME", "spec.commonName"), Column("NOTAFTER", "status.notAfter"),
        Column("PHASE", "status.rollover", wide: true), Column("AWAITS", "status.awaits", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        var commonName: String
        var subject: Certificate.Subject?
        var duration: TimeSpan
        /// Before its end; nil: a third of `duration`.
        var renewBefore: TimeSpan?
        var privateKey: Certificate.PrivateKey
        /// Who signs it; nil: itself.
        var issuerRef: Certificate.IssuerReference?
        /// How many authorities may stand below it.
        var maxPathLength: Int?
        /// How long the phases of a change of authorities last at least, once they have reached everything.
        var rolloverHold: TimeSpan
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
        /// Phase of a change of authorities: "TrustBoth", "Reissue", "DropOld".
        var rollover: String?
        /// The object that has not followed yet: "Certificate/web".
        var awaits: String?
        /// Its certificate, PEM.
        var certificate: String?
        /// The roots that its certificates are checked against.
        var trust: [Root]?
        /// The roots that everything which hangs on it was told to trust.
        var spread: [Digest]?
        /// The authorities above it, and the certificates with which they signed; during a change those of both.
        var issuers: [ObjectName]?
        var issuerFingerprints: [Digest]?
        /// Serial numbers that were revoked.
        var revoked: [String]?
        /// The revocation lists, PEM.
        var crl: String?
        var crlNextUpdate: Date?
        /// The request for a renewal that was honoured last.
        var renewed: String?

        init() {}
    }

    package struct Root: Codable, Hashable, Sendable {
        var fingerprint: Digest
        /// PEM.
        var certificate: String
    }

    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        let names = Set([spec.issuerRef?.name.scalarText].compactMap { $0 } + (status?.issuers ?? []).map(\.scalarText))
        return names.sorted().map { Reference(CertificateAuthority.self, $0) }
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let (duration, renewBefore) = Certificate.readLife(&fields, default: .hours(87600))
        return Spec(
            commonName: fields.checked(
                "commonName", { $0.required("commonName", String.self, Certificate.commonNameHelp) },
                Certificate.refusal(ofCommonName:)),
            subject: Certificate.readSubject(&fields),
            duration: duration, renewBefore: renewBefore, privateKey: Certificate.readPrivateKey(&fields),
            issuerRef: fields.optionalObject("issuerRef", "Who signs it; itself when absent.", Certificate.readIssuer),
            maxPathLength: fields.optionalInteger("maxPathLength", 0...8, "How many authorities may stand below it."),
            rolloverHold: readHold(&fields, duration, renewBefore))
    }

    /// A change must be over before the old authority is.
    private static func readHold(_ fields: inout Fields, _ duration: TimeSpan, _ renewBefore: TimeSpan?) -> TimeSpan {
        let isSound = fields.isSound
        let time = renewBefore.map(\.milliseconds) ?? duration.milliseconds / 3
        let hold = fields.checked(
            "rolloverHold",
            {
                $0.optional(
                    "rolloverHold", TimeSpan.self,
                    "How long the phases of a change of authorities last at least, so that everybody has fetched what changed; 10m when absent, less where there is less time.")
            }
        ) { hold in
            guard isSound, let hold, hold.milliseconds > time / 2 else { return nil }
            return "\"\(hold.scalarText)\" is too long: the two phases of a change must end before the old authority does, \(TimeSpan(milliseconds: time).scalarText) after it begins (renewBefore)"
        }
        return hold ?? TimeSpan(milliseconds: min(600_000, time / 2))
    }
}
