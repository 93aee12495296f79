/// What we read from a certificate ourselves (RFC 5280 §4.1).
package struct CertificateFields: Hashable, Sendable {
    /// As it stands, without leading zeros.
    package var serial: [UInt8]
    /// The issuer's whole name, as it stands.
    package var issuer: [UInt8]
    /// Of the subject: the most specific one, which is the last.
    package var commonName: String?

    /// nil for what does not begin as a certificate does; what follows its subject is not looked at.
    package init?(der: [UInt8]) {
        var certificate = DERReader(der[...])
        guard var outer = certificate.enter(0x30), var body = outer.enter(0x30) else { return nil }
        // The version may be missing.
        if body.tag == 0xA0 { body.skip() }
        guard body.tag == 0x02, let serial = body.value() else { return nil }
        // The signature's algorithm.
        body.skip()
        guard body.tag == 0x30, let issuer = body.element() else { return nil }
        // The validity.
        body.skip()
        guard var subject = body.enter(0x30) else { return nil }
        self.serial = Self.plain(serial)
        self.issuer = Array(issuer.whole)
        while var set = subject.enter(0x31) {
            while var attribute = set.enter(0x30) {
                guard let type = attribute.value(), let text = attribute.value() else { break }
                // id-at-commonName, 2.5.4.3
                if Array(type) == [0x55, 0x04, 0x03] { commonName = String(decoding: text, as: UTF8.self) }
            }
        }
    }

    static func plain(_ number: ArraySlice<UInt8>) -> [UInt8] { Array(number.drop { $0 == 0 }) }
}
