import Foundation

/// The certificates that revocation lists name, each by its issuer and its number (RFC 5280 §5).
///
/// Whoever keeps the lists' file keeps the authorities' as well: a list is believed without its signature, and beyond its next update, as
/// etcd does.
package struct RevocationLists: Hashable, Sendable {
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        case none
        /// The number of the list, from 1.
        case damaged(Int)

        package var description: String {
            switch self {
            case .none: "holds no revocation list in PEM"
            case .damaged(let number): "its revocation list \(number) is damaged"
            }
        }
    }

    /// Serial numbers by the name of their issuer.
    private var revoked: [[UInt8]: Set<[UInt8]>] = [:]

    /// Nothing is revoked.
    package init() {}

    /// - Parameter pem: one list or more, `-----BEGIN X509 CRL-----`; what stands between them is passed over.
    package init(pem: [UInt8]) throws(Problem) {
        let begin = "-----BEGIN X509 CRL-----", end = "-----END X509 CRL-----"
        var number = 0
        var body: String?
        for line in String(decoding: pem, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line == begin {
                guard body == nil else { throw .damaged(number) }
                number += 1
                body = ""
            } else if line == end {
                guard let text = body, let der = Data(base64Encoded: text) else { throw .damaged(max(number, 1)) }
                guard add([UInt8](der)) else { throw .damaged(number) }
                body = nil
            } else {
                body?.append(line)
            }
        }
        guard body == nil else { throw .damaged(number) }
        guard number > 0 else { throw .none }
    }

    package var count: Int { revoked.values.reduce(0) { $0 + $1.count } }

    package func name(_ certificate: CertificateFields) -> Bool { revoked[certificate.issuer]?.contains(certificate.serial) ?? false }

    private mutating func add(_ der: [UInt8]) -> Bool {
        var list = DERReader(der[...])
        guard var outer = list.enter(0x30), var body = outer.enter(0x30) else { return false }
        // Version 2 says so, version 1 does not.
        if body.tag == 0x02 { body.skip() }
        // The signature's algorithm.
        body.skip()
        guard body.tag == 0x30, let issuer = body.element() else { return false }
        // This update, and perhaps the next: UTCTime or GeneralizedTime.
        guard body.tag == 0x17 || body.tag == 0x18 else { return false }
        body.skip()
        if body.tag == 0x17 || body.tag == 0x18 { body.skip() }
        // None is named where the sequence is missing: nothing follows then, or extensions.
        if body.tag == nil || body.tag == 0xA0 { return true }
        guard var entries = body.enter(0x30) else { return false }
        var serials: Set<[UInt8]> = []
        while var entry = entries.enter(0x30) {
            guard entry.tag == 0x02, let serial = entry.value() else { return false }
            serials.insert(CertificateFields.plain(serial))
        }
        revoked[Array(issuer.whole), default: []].formUnion(serials)
        return entries.tag == nil && (body.tag == nil || body.tag == 0xA0)
    }
}
