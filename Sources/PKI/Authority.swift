import Crypto
import Foundation
import X509

/// A certificate authority of our own: P-256, self-signed.
struct Authority {
    var certificate: Certificate
    var key: P256.Signing.PrivateKey

    static func make(_ now: Date) throws(PKIError) -> Authority {
        let key = P256.Signing.PrivateKey()
        do {
            let name = try DistinguishedName { CommonName("plasma server authority") }
            let certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey), notValidBefore: earlier(now),
                notValidAfter: now.addingTimeInterval(ServerIdentity.authorityLifetime), issuer: name, subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
                },
                issuerPrivateKey: .init(key))
            return Authority(certificate: certificate, key: key)
        } catch {
            throw .crypto("\(error)")
        }
    }

    func issue(names: [String], _ now: Date) throws(PKIError) -> ServerIdentity {
        var alternatives: [GeneralName] = []
        for name in names { alternatives.append(try generalName(name)) }
        let serverKey = P256.Signing.PrivateKey()
        do {
            let certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(serverKey.publicKey),
                notValidBefore: Self.earlier(now),
                notValidAfter: min(now.addingTimeInterval(ServerIdentity.certificateLifetime), self.certificate.notValidAfter),
                issuer: self.certificate.subject, subject: try DistinguishedName { CommonName("plasma server") },
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth])
                    SubjectAlternativeNames(alternatives)
                    SubjectKeyIdentifier(hash: Certificate.PublicKey(serverKey.publicKey))
                    AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey)).keyIdentifier)
                },
                issuerPrivateKey: .init(key))
            return ServerIdentity(
                authority: line(try self.certificate.serializeAsPEM().pemString),
                certificate: line(try certificate.serializeAsPEM().pemString), key: line(serverKey.pemRepresentation))
        } catch {
            throw .crypto("\(error)")
        }
    }

    /// As it stands in a file.
    private func line(_ pem: String) -> String { pem.hasSuffix("\n") ? pem : pem + "\n" }

    /// Clocks of clients may be a little behind.
    private static func earlier(_ now: Date) -> Date { now.addingTimeInterval(-300) }
}

/// - Throws: `PKIError.badName`.
func generalName(_ name: String) throws(PKIError) -> GeneralName {
    if let address = addressBytes(name) { return .ipAddress(.init(contentBytes: address[...])) }
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    let isName = name.utf8.count <= 253 && !labels.isEmpty && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95 || $0 == 42 }
    }
    guard isName else { throw .badName(name) }
    return .dnsName(name)
}

/// The 4 or 16 bytes of an IP address.
func addressBytes(_ text: String) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
    if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
    return nil
}
