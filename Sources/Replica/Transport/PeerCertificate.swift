import NIOCore
import NIOSSL

/// Whom a certificate names. Its chain has been verified already.
struct PeerCertificate: Hashable, Sendable {
    /// The most specific one of the subject, which is the last.
    var commonName: String?
    var dnsNames: [String] = []
    /// 4 or 16 bytes each.
    var addresses: [[UInt8]] = []

    init(commonName: String? = nil, dnsNames: [String] = [], addresses: [[UInt8]] = []) {
        self.commonName = commonName
        self.dnsNames = dnsNames
        self.addresses = addresses
    }

    init(_ certificate: NIOSSLCertificate) {
        commonName = (try? certificate.toDERBytes()).flatMap(Self.commonName)
        for name in certificate._subjectAlternativeNames() {
            let content = name.contents.withUnsafeBufferPointer { Array($0) }
            switch name.nameType {
            case .dnsName: dnsNames.append(String(decoding: content, as: UTF8.self))
            case .ipAddress: addresses.append(content)
            default: break
            }
        }
    }

    /// As a dialler checks it: alternative names only, a wildcard for exactly the first label (RFC 9525 §6.3).
    func isValid(for host: String) -> Bool {
        if let address = Self.bytes(ofAddress: host) { return addresses.contains(address) }
        let host = host.lowercased()
        return dnsNames.contains { name in
            let name = name.lowercased()
            if name == host { return true }
            guard name.hasPrefix("*."), let dot = host.firstIndex(of: "."), dot > host.startIndex else { return false }
            return name.dropFirst() == host[dot...]
        }
    }

    /// Whether the common name or an alternative name is among these.
    func isNamed(in allowed: [String]) -> Bool {
        allowed.contains { $0 == commonName || isValid(for: $0) }
    }

    private static func bytes(ofAddress host: String) -> [UInt8]? {
        switch try? SocketAddress(ipAddress: host, port: 0) {
        case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
        case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
        default: nil
        }
    }

    /// Certificate, its tbsCertificate, and there the sixth field after the version: the subject (RFC 5280 §4.1).
    static func commonName(_ certificate: [UInt8]) -> String? {
        var outer = DERReader(certificate[...])
        guard let whole = outer.next() else { return nil }
        var parts = DERReader(whole.content)
        guard let signed = parts.next() else { return nil }
        var fields = DERReader(signed.content)
        var field = fields.next()
        if field?.tag == 0xA0 { field = fields.next() }
        for _ in 0..<4 { field = fields.next() }
        guard let subject = field?.content else { return nil }
        var names = DERReader(subject)
        var found: String?
        while let set = names.next() {
            var pairs = DERReader(set.content)
            while let pair = pairs.next() {
                var parts = DERReader(pair.content)
                guard let kind = parts.next(), let value = parts.next() else { return found }
                // id-at-commonName, 2.5.4.3
                if Array(kind.content) == [0x55, 0x04, 0x03] { found = String(decoding: value.content, as: UTF8.self) }
            }
        }
        return found
    }
}

/// Reads one element after the other: tag, length, content (X.690 §8.1). Tags of more than one byte end it.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        guard let tag = rest.popFirst(), tag & 0x1F != 0x1F, let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            guard (0x81...0x84).contains(first) else { return nil }
            length = 0
            for _ in 0..<(first & 0x7F) {
                guard let byte = rest.popFirst() else { return nil }
                length = length << 8 | Int(byte)
            }
        }
        guard length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return (tag, rest.prefix(length))
    }
}
