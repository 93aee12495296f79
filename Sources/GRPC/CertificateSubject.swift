/// The one thing we read from a certificate ourselves: the common name of its subject (RFC 5280 §4.1).
enum CertificateSubject {
    static func commonName(der: [UInt8]) -> String? {
        var certificate = DERReader(der[...])
        guard var outer = certificate.enter(0x30), var body = outer.enter(0x30) else { return nil }
        // Version (may be missing), serial number, signature algorithm, issuer, validity; then the subject.
        if body.tag == 0xa0 { body.skip() }
        for _ in 0..<4 { body.skip() }
        guard var subject = body.enter(0x30) else { return nil }
        var name: String?
        while var set = subject.enter(0x31) {
            while var attribute = set.enter(0x30) {
                guard let type = attribute.value(), let text = attribute.value() else { break }
                // id-at-commonName, 2.5.4.3
                if Array(type) == [0x55, 0x04, 0x03] { name = String(decoding: text, as: UTF8.self) }
            }
        }
        return name
    }
}

/// Walks over tags, lengths and values; every step is bounded by what is there.
private struct DERReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var tag: UInt8? { bytes.first }

    mutating func enter(_ wanted: UInt8) -> DERReader? {
        guard tag == wanted else { return nil }
        return value().map { DERReader($0) }
    }

    mutating func skip() { _ = value() }

    mutating func value() -> ArraySlice<UInt8>? {
        guard bytes.count >= 2 else { return nil }
        var rest = bytes.dropFirst(2)
        var length = Int(bytes[bytes.startIndex + 1])
        if length >= 0x80 {
            let count = length - 0x80
            guard count >= 1, count <= 3, rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard rest.count >= length else { return nil }
        bytes = rest.dropFirst(length)
        return rest.prefix(length)
    }
}
