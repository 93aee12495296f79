import Foundation
@_spi(FixedExpiryValidationTime) import X509

/// Somebody else's judgement of a chain (PEM, the leaf first) against roots, at a time.
func verify(_ chain: String, _ roots: String, _ now: Date) async throws -> Bool {
    func read(_ text: String) throws -> [X509.Certificate] {
        try text.components(separatedBy: "-----END CERTIFICATE-----").filter { $0.contains("BEGIN") }.map {
            try X509.Certificate(pemEncoded: $0.trimmingCharacters(in: .whitespacesAndNewlines) + "\n-----END CERTIFICATE-----\n")
        }
    }
    let certificates = try read(chain)
    var verifier = Verifier(rootCertificates: CertificateStore(try read(roots))) { RFC5280Policy(fixedExpiryValidationTime: now) }
    let result = await verifier.validate(leaf: certificates[0], intermediates: CertificateStore(certificates.dropFirst()))
    if case .validCertificate = result { return true }
    return false
}
