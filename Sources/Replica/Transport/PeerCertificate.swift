import Bytes
import NIOCore
import NIOSSL

/// Whom a certificate names. Its chain has been verified already.
struct PeerCertificate: Hashable, Sendable {
    /// The most specific one of the subject, which is the last.
    var commonName: String?
    /// By what revocation lists name it.
    var fields: CertificateFields?
    var dnsNames: [String] = []
    /// 4 or 16 bytes each.
    var addresses: [[UInt8]] = []

    init(commonName: String? = nil, dnsNames: [String] = [], addresses: [[UInt8]] = []) {
        self.commonName = commonName
        self.dnsNames = dnsNames
        self.addresses = addresses
    }

    init(_ certificate: NIOSSLCertificate) {
        fields = (try? certificate.toDERBytes()).flatMap { CertificateFields(der: $0) }
        commonName = fields?.commonName
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
}
