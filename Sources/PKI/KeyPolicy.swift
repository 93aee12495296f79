import Crypto
import CryptoExtras
import X509

/// What kind of key is made.
package enum KeyPolicy: Hashable, Sendable, CustomStringConvertible {
    /// Over P-256, P-384 or P-521 (FIPS 186-5).
    case ecdsa(bits: Int)
    case rsa(bits: Int)
    case ed25519

    package static let usual = KeyPolicy.ecdsa(bits: 256)

    package var description: String {
        switch self {
        case .ecdsa(let bits): "ECDSA P-\(bits)"
        case .rsa(let bits): "RSA \(bits)"
        case .ed25519: "Ed25519"
        }
    }

    /// A new key. One of RSA takes a second and more.
    func makeKey() throws(PKIError) -> X509.Certificate.PrivateKey {
        do {
            switch self {
            case .ecdsa(256): return .init(P256.Signing.PrivateKey())
            case .ecdsa(384): return .init(P384.Signing.PrivateKey())
            case .ecdsa(521): return .init(P521.Signing.PrivateKey())
            case .ed25519: return .init(Curve25519.Signing.PrivateKey())
            case .rsa(let bits) where (2048...8192).contains(bits): return .init(try _RSA.Signing.PrivateKey(keySize: .init(bitCount: bits)))
            case .ecdsa, .rsa: throw PKIError.crypto("there are no keys of \(self)")
            }
        } catch let error as PKIError {
            throw error
        } catch {
            throw .crypto("\(error)")
        }
    }
}

extension KeyPolicy: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        switch text {
        case "Ed25519": self = .ed25519
        case _ where text.hasPrefix("ECDSA P-"): self = .ecdsa(bits: Int(text.dropFirst("ECDSA P-".count)) ?? 0)
        case _ where text.hasPrefix("RSA "): self = .rsa(bits: Int(text.dropFirst("RSA ".count)) ?? 0)
        default: throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "\"\(text)\" is no kind of key"))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension X509.Certificate.PrivateKey {
    /// PKCS #8, with a line end.
    func pem() throws(PKIError) -> String {
        do {
            return terminated(try serializeAsPEM().pemString)
        } catch {
            throw .crypto("\(error)")
        }
    }

    init(sealedPEM: String) throws(PKIError) {
        do {
            try self.init(pemEncoded: sealedPEM)
        } catch {
            throw .crypto("a key that was kept is none: \(error)")
        }
    }
}

/// As it stands in a file.
func terminated(_ pem: String) -> String { pem.hasSuffix("\n") ? pem : pem + "\n" }
