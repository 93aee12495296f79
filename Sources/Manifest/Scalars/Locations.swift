/// A path from the root in its plainest spelling: no "//", "." or ".." in it and no slash at its end.
package struct AbsolutePath: TextScalar, Comparable {
    package let scalarText: String

    package init(scalar text: String) throws(ScalarProblem) {
        guard text.hasPrefix("/") else { throw ScalarProblem("is not an absolute path; begin it with /") }
        guard text.utf8.count <= 4095 else { throw ScalarProblem("is longer than 4095 bytes") }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { throw ScalarProblem("has a control character in it") }
        let parts = text.split(separator: "/")
        guard !parts.contains("..") else { throw ScalarProblem("has \"..\" in it; write the path it leads to") }
        let plainest = "/" + parts.filter { $0 != "." }.joined(separator: "/")
        guard plainest == text else { throw ScalarProblem("is not in its plainest spelling; write \(quoted(plainest))") }
        scalarText = text
    }

    private init(valid text: String) { scalarText = text }

    package static func < (a: AbsolutePath, b: AbsolutePath) -> Bool { a.scalarText < b.scalarText }
    package static var schema: JSON { ["type": "string", "pattern": "^/([^/]+(/[^/]+)*)?$", "maxLength": 4095] }
    package static var example: AbsolutePath { AbsolutePath(valid: "/var/lib") }
}

/// An absolute http or https URL (RFC 3986, RFC 9110) without user name, password and fragment.
package struct HTTPURL: TextScalar, Comparable {
    package let scalarText: String
    package let isSecure: Bool
    /// As written, small; an IPv6 address without its brackets.
    package let host: String
    /// As written, or 80 and 443.
    package let port: Int
    /// Path and query; at least "/".
    package let target: String

    package init(scalar text: String) throws(ScalarProblem) {
        let lower = text.lowercased()
        guard lower.hasPrefix("http://") || lower.hasPrefix("https://") else {
            throw ScalarProblem("is not a URL of http or https; begin it with http:// or https://")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) }) else {
            throw ScalarProblem("has a character that a URL may not have; write it as %xx")
        }
        guard !text.contains("#") else { throw ScalarProblem("has a fragment (#…); leave it out") }
        isSecure = lower.hasPrefix("https://")
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains("@") else { throw ScalarProblem("has a user name in it; leave it out") }
        let tail = String(rest[end...])
        target = tail.hasPrefix("/") ? tail : "/" + tail
        let (name, portText) = try HTTPURL.split(authority)
        guard !name.isEmpty else { throw ScalarProblem("has no host") }
        host = name.lowercased()
        if let portText {
            guard let number: Int = decimal(portText), (1...65535).contains(number) else {
                throw ScalarProblem("has a port that is not from 1 to 65535")
            }
            port = number
        } else {
            port = isSecure ? 443 : 80
        }
        scalarText = text
    }

    private static func split(_ authority: Substring) throws(ScalarProblem) -> (host: Substring, port: Substring?) {
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { throw ScalarProblem("has no ] after its IPv6 address") }
            let name = authority[authority.index(after: authority.startIndex)..<close]
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { throw ScalarProblem("has something other than a port after its host") }
            guard name.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { throw ScalarProblem("has a host that is no address") }
            return (name, rest.isEmpty ? nil : rest.dropFirst())
        }
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts[0].utf8.allSatisfy({ isNameByte($0) }) else { throw ScalarProblem("has a host that is no name and no address") }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x2E
            || byte == 0x5F
    }

    private init(valid text: String, host: String) {
        (scalarText, isSecure, self.host, port, target) = (text, true, host, 443, "/")
    }

    package static func < (a: HTTPURL, b: HTTPURL) -> Bool { a.scalarText < b.scalarText }
    package static var schema: JSON { ["type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]"] }
    package static var example: HTTPURL { HTTPURL(valid: "https://192.168.100.1/", host: "192.168.100.1") }
}
