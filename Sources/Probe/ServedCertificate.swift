import Foundation
import NIOSSL
import X509

/// The leaf certificate that a server presents.
package struct ServedCertificate: Hashable, Sendable {
    package var der: [UInt8]
    /// Hexadecimal, without colons.
    package var serial: String
    package var notBefore: Date
    package var notAfter: Date

    /// - Throws: when the bytes are no certificate.
    package init(der: [UInt8]) throws {
        let certificate = try Certificate(derEncoded: der)
        self.der = der
        serial = certificate.serialNumber.bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        notBefore = certificate.notValidBefore
        notAfter = certificate.notValidAfter
    }

    /// The first of a PEM text.
    package init(pem: String) throws {
        guard let first = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)).first else {
            throw ProbeFailure(.impossible, "there is no certificate in the text")
        }
        try self.init(der: try first.toDERBytes())
    }

    init?(_ certificate: NIOSSLCertificate?) {
        guard let certificate, let der = try? certificate.toDERBytes(), let served = try? ServedCertificate(der: der) else { return nil }
        self = served
    }

    /// What is wrong with it at that time; nil: nothing.
    package func problem(at now: Date) -> String? {
        if now >= notAfter { return "certificate expired \(Self.span(now.timeIntervalSince(notAfter))) ago" }
        if now < notBefore { return "certificate is valid only in \(Self.span(notBefore.timeIntervalSince(now)))" }
        return nil
    }

    /// "3 d", "5 h", "2 min", "10 s".
    static func span(_ seconds: TimeInterval) -> String {
        let whole = Int(max(0, seconds))
        return switch whole {
        case ..<120: "\(whole) s"
        case ..<7200: "\(whole / 60) min"
        case ..<172_800: "\(whole / 3600) h"
        default: "\(whole / 86400) d"
        }
    }
}
