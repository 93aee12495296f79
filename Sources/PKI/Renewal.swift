import Crypto
import Foundation

/// When a certificate is made anew.
package enum Renewal {
    /// `renewBefore` its end, by default when a third of its life is left; and earlier by up to a tenth of that, by a
    /// fraction that hangs on the object and the certificate alone, so that a fleet that was issued at once is not
    /// renewed at once, and every look says the same.
    /// - Parameters:
    ///   - renewBefore: seconds. One that its life has no room for (an issuer's end may shorten it) counts as not given.
    ///   - uid: of the object it was issued for.
    package static func date(of certificate: CertificateFacts, renewBefore: TimeInterval?, uid: String) -> Date {
        let life = certificate.notAfter.timeIntervalSince(certificate.notBefore) - AuthorityMaterial.backdating
        let before = renewBefore.flatMap { $0 < life ? $0 : nil } ?? life / 3
        let slack = min(before, life - before) / 10
        let digest = SHA256.hash(data: Array("\(uid) \(certificate.serial)".utf8))
        let fraction = Double(digest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) / Double(UInt32.max)
        let date = certificate.notAfter.addingTimeInterval(-before - slack * fraction)
        return Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down))
    }

    /// Whether it is time, and whether a new one would be valid for longer: under an issuer that ends soon it would not. One that is not valid
    /// yet was made by a clock that was ahead; nobody accepts it.
    package static func isDue(
        _ certificate: CertificateFacts, renewBefore: TimeInterval?, life: TimeInterval, uid: String, issuerNotAfter: Date?, now: Date
    ) -> Bool {
        if now < certificate.notBefore { return true }
        guard now >= date(of: certificate, renewBefore: renewBefore, uid: uid) else { return false }
        let end = min(now.addingTimeInterval(life), issuerNotAfter ?? .distantFuture)
        return end > certificate.notAfter.addingTimeInterval(1)
    }
}
