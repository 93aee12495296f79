import Bytes
import Foundation
import SwiftASN1
import X509

/// A certificate revocation list, version 2 (RFC 5280, 5):
///
///     CertificateList  ::=  SEQUENCE {
///         tbsCertList          TBSCertList,
///         signatureAlgorithm   AlgorithmIdentifier,
///         signatureValue       BIT STRING }
package struct RevocationList: Sendable {
    package struct Entry: Codable, Hashable, Sendable {
        /// In hexadecimal, small, without colons.
        package var serial: String
        package var date: Date
        /// When the certificate itself ends, where that is known: some time later nobody needs the entry (RFC 5280, 3.3).
        package var notAfter: Date?

        package init(serial: String, date: Date, notAfter: Date? = nil) {
            self.serial = serial
            self.date = date
            self.notAfter = notAfter
        }

        /// It stood on a list that was made after the certificate had ended.
        func isOver(_ now: Date) -> Bool { notAfter.map { now > $0.addingTimeInterval(2 * RevocationList.life) } ?? false }
    }

    /// How long one is good for; a new one is made when a third of that is left.
    package static let life = TimeInterval(7 * 86_400)

    /// Whether one that ends then is to be made anew now: soon it has ended, or a clock that was ahead made it, and it is not valid yet.
    package static func isDue(nextUpdate: Date, now: Date) -> Bool {
        now >= due(nextUpdate: nextUpdate) || nextUpdate.addingTimeInterval(-life - AuthorityMaterial.backdating) > now
    }

    /// When one that ends then is made anew.
    package static func due(nextUpdate: Date) -> Date { nextUpdate.addingTimeInterval(-life / 3) }

    package var number: Int64
    package var thisUpdate: Date
    package var nextUpdate: Date
    package var revoked: [Entry]

    package init(number: Int64, now: Date, revoked: [Entry]) {
        self.number = number
        let start = Date(timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down))
        thisUpdate = start.addingTimeInterval(-AuthorityMaterial.backdating)
        nextUpdate = start.addingTimeInterval(Self.life)
        self.revoked = revoked
    }

    /// Signed by an authority. PEM.
    package func signed(by signer: Signer) throws(PKIError) -> String {
        let algorithm = try SigningAlgorithm(of: signer.key)
        do {
            var tbs = DER.Serializer()
            try tbs.appendConstructedNode(identifier: .sequence) { list in try fill(&list, signer, algorithm) }
            let bytes = tbs.serializedBytes
            let signature = try signer.key.sign(bytes: bytes, signatureAlgorithm: algorithm.algorithm).rawRepresentation
            var whole = DER.Serializer()
            try whole.appendConstructedNode(identifier: .sequence) { list in
                list.serializeRawBytes(bytes)
                try algorithm.serialize(into: &list)
                try list.serialize(ASN1BitString(bytes: signature[...]))
            }
            return terminated(PEMDocument(type: "X509 CRL", derBytes: whole.serializedBytes).pemString)
        } catch {
            throw .crypto("the revocation list: \(error)")
        }
    }

    /// TBSCertList.
    private func fill(_ list: inout DER.Serializer, _ signer: Signer, _ algorithm: SigningAlgorithm) throws {
        try list.serialize(1)  // v2
        try algorithm.serialize(into: &list)
        try list.serialize(signer.certificate.subject)
        try serialize(thisUpdate, into: &list)
        try serialize(nextUpdate, into: &list)
        if !revoked.isEmpty {
            try list.appendConstructedNode(identifier: .sequence) { entries in
                for entry in revoked {
                    try entries.appendConstructedNode(identifier: .sequence) { one in
                        let bytes = Hex.decode(entry.serial) ?? []
                        try one.serialize(X509.Certificate.SerialNumber(bytes: bytes).bytes)
                        try serialize(entry.date, into: &one)
                    }
                }
            }
        }
        try list.appendConstructedNode(identifier: .init(tagWithNumber: 0, tagClass: .contextSpecific)) { explicit in
            try explicit.appendConstructedNode(identifier: .sequence) { extensions in
                let authority = try X509.Certificate.Extension(
                    AuthorityKeyIdentifier(keyIdentifier: signer.subjectKeyIdentifier), critical: false)
                try append(authority.oid, authority.value, to: &extensions)
                var number = DER.Serializer()
                try number.serialize(self.number)
                try append([2, 5, 29, 20], number.serializedBytes[...], to: &extensions)
            }
        }
    }

    private func append(_ oid: ASN1ObjectIdentifier, _ value: ArraySlice<UInt8>, to extensions: inout DER.Serializer) throws {
        try extensions.appendConstructedNode(identifier: .sequence) { one in
            try one.serialize(oid)
            try one.serialize(ASN1OctetString(contentBytes: value))
        }
    }

    /// UTCTime through 2049, GeneralizedTime after (RFC 5280, 5.1.2.4).
    private func serialize(_ date: Date, into list: inout DER.Serializer) throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let part = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        let (year, month, day) = (part.year ?? 0, part.month ?? 0, part.day ?? 0)
        let (hour, minute, second) = (part.hour ?? 0, part.minute ?? 0, part.second ?? 0)
        if year < 2050 {
            try list.serialize(UTCTime(year: year, month: month, day: day, hours: hour, minutes: minute, seconds: second))
        } else {
            try list.serialize(GeneralizedTime(
                year: year, month: month, day: day, hours: hour, minutes: minute, seconds: second, fractionalSeconds: 0))
        }
    }
}

/// How a key signs, as lists and certificates name it (RFC 3279, 5758, 8410).
private struct SigningAlgorithm {
    var algorithm: X509.Certificate.SignatureAlgorithm
    private var oid: ASN1ObjectIdentifier
    /// RSA's have NULL as parameters, the others none.
    private var hasNull = false

    init(of key: X509.Certificate.PrivateKey) throws(PKIError) {
        switch key.description {
        case "P256.PrivateKey": (algorithm, oid) = (.ecdsaWithSHA256, [1, 2, 840, 10045, 4, 3, 2])
        case "P384.PrivateKey": (algorithm, oid) = (.ecdsaWithSHA384, [1, 2, 840, 10045, 4, 3, 3])
        case "P521.PrivateKey": (algorithm, oid) = (.ecdsaWithSHA512, [1, 2, 840, 10045, 4, 3, 4])
        case "Ed25519.PrivateKey": (algorithm, oid) = (.ed25519, [1, 3, 101, 112])
        case let text where text.hasPrefix("RSA"): (algorithm, oid, hasNull) = (.sha256WithRSAEncryption, [1, 2, 840, 113549, 1, 1, 11], true)
        case let text: throw .crypto("no list is signed by \(text)")
        }
    }

    func serialize(into list: inout DER.Serializer) throws {
        try list.appendConstructedNode(identifier: .sequence) { one in
            try one.serialize(oid)
            if hasNull { try one.serialize(ASN1Null()) }
        }
    }
}
