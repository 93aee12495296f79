import Foundation
import Manifest

/// A DNS name in a certificate: a DNS name, or one whose first label is `*` (RFC 6125).
package struct CertificateName: Hashable, Sendable {
    let text: String
}

extension CertificateName: TextScalar {
    package init(scalar text: String) throws(ScalarProblem) {
        let isWildcard = text.hasPrefix("*.")
        let rest = isWildcard ? String(text.dropFirst(2)) : text
        if rest.contains("*") { throw ScalarProblem("is not a name for a certificate: only the whole first label may be *") }
        if isWildcard, !rest.contains(".") {
            throw ScalarProblem("is not a name for a certificate: * needs two labels behind it")
        }
        if (try? IPAddressText(scalar: text)) != nil { throw ScalarProblem("is an IP address; write it under ipAddresses") }
        self.text = (isWildcard ? "*." : "") + (try DNSName(scalar: rest)).scalarText
    }

    package var scalarText: String { text }
    package static var schema: JSON { .object(["type": .string("string"), "maxLength": .integer(253)]) }
    package static var example: Self { Self(text: "node01.plasma.local") }
}

/// An IPv4 or IPv6 address in its canonical spelling (RFC 5952).
package struct IPAddressText: Hashable, Sendable {
    let text: String
}

extension IPAddressText: TextScalar {
    package init(scalar text: String) throws(ScalarProblem) {
        if let address = try? IPv4Address(scalar: text) {
            self.text = address.scalarText
            return
        }
        var bytes = in6_addr()
        var spelling = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_pton(AF_INET6, text, &bytes) == 1, inet_ntop(AF_INET6, &bytes, &spelling, socklen_t(spelling.count)) != nil
        else {
            throw ScalarProblem("is not an IP address")
        }
        self.text = String(decoding: spelling.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package var scalarText: String { text }
    package static var schema: JSON {
        .object([
            "anyOf": .array([
                .object(["type": .string("string"), "format": .string("ipv4")]),
                .object(["type": .string("string"), "format": .string("ipv6")]),
            ])
        ])
    }
    package static var example: Self { Self(text: "192.168.100.11") }
}
