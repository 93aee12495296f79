/// What we read from a certificate ourselves (RFC 5280 §4.1).
package struct CertificateFields: Hashable, Sendable {
    /// As it stands, without leading zeros.
    package var serial: [UInt8]
    /// The issuer's whole name, as it stands.
    package var issuer: [UInt8]
    /// Of the subject: the most specific one, which is the last.
    package var commonName: String?
    /// Whether a server may show it: it says nothing of its extended usage, or that (RFC 5280 §4.2.1.12).
    package var isForServers = true

    /// nil for what does not begin as a certificate does.
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
        if let usages = Self.extendedUsages(after: &body) { isForServers = usages.contains(where: Self.serverUsages.contains) }
    }

    /// id-kp-serverAuth, 1.3.6.1.5.5.7.3.1; anyExtendedKeyUsage, 2.5.29.37.0.
    private static let serverUsages: [[UInt8]] = [[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01], [0x55, 0x1D, 0x25, 0x00]]

    /// nil where there is no such extension.
    private static func extendedUsages(after body: inout DERReader) -> [[UInt8]]? {
        // The key, and the unique identifiers of old.
        body.skip()
        while let tag = body.tag, tag & 0xDF == 0x81 || tag & 0xDF == 0x82 {
            guard body.element() != nil else { return nil }
        }
        guard var wrapped = body.enter(0xA3), var extensions = wrapped.enter(0x30) else { return nil }
        while var one = extensions.enter(0x30) {
            // id-ce-extKeyUsage, 2.5.29.37; perhaps critical.
            guard let name = one.value(), Array(name) == [0x55, 0x1D, 0x25] else { continue }
            if one.tag == 0x01 { one.skip() }
            var usages: [[UInt8]] = []
            guard var content = one.enter(0x04), var list = content.enter(0x30) else { return usages }
            while let usage = list.value() { usages.append(Array(usage)) }
            return usages
        }
        return nil
    }

    static func plain(_ number: ArraySlice<UInt8>) -> [UInt8] { Array(number.drop { $0 == 0 }) }
}
