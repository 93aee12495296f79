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
        Column("PHASE", "status.rollover", wide: true),
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
    }

    package struct Status: Codable, Hashable, Sendable {
        var serial: String?
        /// SHA-256 of the certificate.
        var fingerprint: Digest?
        var notBefore: Date?
        var notAfter: Date?
        /// Phase of a change of keys: "TrustBoth", "Reissue", "DropOld".
        var rollover: String?

        init() {}
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
            maxPathLength: fields.optionalInteger("maxPathLength", 0...8, "How many authorities may stand below it."))
    }
}
