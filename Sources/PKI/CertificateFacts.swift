import Bytes
import Crypto
import Foundation
import SwiftASN1
import X509

/// What is told of a certificate.
package struct CertificateFacts: Codable, Hashable, Sendable {
    /// In hexadecimal, small, without colons.
    package var serial: String
    /// SHA-256 of the certificate (DER), in hexadecimal.
    package var fingerprint: String
    package var notBefore: Date
    package var notAfter: Date

    package init(serial: String, fingerprint: String, notBefore: Date, notAfter: Date) {
        self.serial = serial
        self.fingerprint = fingerprint
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// A certificate and what is derived from it once.
struct Encoded {
    var pem: String
    var facts: CertificateFacts

    init(_ certificate: X509.Certificate) throws(PKIError) {
        do {
            var serializer = DER.Serializer()
            try serializer.serialize(certificate)
            let der = serializer.serializedBytes
            pem = terminated(PEMDocument(type: "CERTIFICATE", derBytes: der).pemString)
            facts = CertificateFacts(
                serial: Hex.encode(certificate.serialNumber.bytes), fingerprint: Hex.encode(SHA256.hash(data: der)),
                notBefore: certificate.notValidBefore, notAfter: certificate.notValidAfter)
        } catch {
            throw .crypto("\(error)")
        }
    }
}

/// A serial number (RFC 5280, 4.1.2.2): 128 bits, positive, never shorter.
package struct SerialNumber: Hashable, Sendable {
    package var bytes: [UInt8]

    package init(using random: inout some RandomNumberGenerator) {
        bytes = (0..<16).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
        bytes[0] = bytes[0] & 0x3f | 0x40
    }

    package init() {
        var random = SystemRandomNumberGenerator()
        self.init(using: &random)
    }

    var value: X509.Certificate.SerialNumber { .init(bytes: bytes) }

    /// As `openssl` or plasma writes it: hexadecimal digits in either case, with colons or without, perhaps after "0x". nil for anything else.
    package static func normal(_ text: String) -> String? {
        let written = text.lowercased()
        let digits = (written.hasPrefix("0x") ? written.dropFirst(2) : written[...]).filter { $0 != ":" }
        guard !digits.isEmpty, let bytes = Hex.decode(digits.count.isMultiple(of: 2) ? digits : "0" + digits), bytes.count <= 20 else { return nil }
        let significant = Array(bytes.drop { $0 == 0 })
        return significant.isEmpty ? nil : Hex.encode(significant)
    }
}
