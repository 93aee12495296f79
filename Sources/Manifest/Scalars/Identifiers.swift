/// What a file's content must hash to: "sha256:" and 64 hexadecimal digits, small.
package struct Digest: TextScalar {
    package let scalarText: String

    package init(scalar text: String) throws(ScalarProblem) {
        guard text.hasPrefix("sha256:") else { throw ScalarProblem("is not a digest; write sha256: and 64 hexadecimal digits") }
        let digits = text.utf8.dropFirst(7)
        guard digits.count == 64 else { throw ScalarProblem("has \(digits.count) characters after sha256:; 64 are expected") }
        guard digits.allSatisfy(isHexDigit) else { throw ScalarProblem("has a character that is no hexadecimal digit") }
        scalarText = text.lowercased()
    }

    private init(valid text: String) { scalarText = text }

    /// The 64 digits without "sha256:".
    package var hexadecimal: String { String(scalarText.dropFirst(7)) }

    package static var schema: JSON { ["type": "string", "pattern": "^sha256:[0-9A-Fa-f]{64}$"] }
    package static var example: Digest { Digest(valid: "sha256:" + String(repeating: "0", count: 64)) }
}

/// A UUID (RFC 9562) in its hyphened form, small.
package struct UUIDText: TextScalar {
    package let scalarText: String

    package init(scalar text: String) throws(ScalarProblem) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Array($0.utf8) }
        guard parts.map(\.count) == [8, 4, 4, 4, 12], parts.allSatisfy({ $0.allSatisfy(isHexDigit) }) else {
            throw ScalarProblem("is not a UUID; write it as 8-4-4-4-12 hexadecimal digits")
        }
        scalarText = text.lowercased()
    }

    private init(valid text: String) { scalarText = text }

    package static var schema: JSON { ["type": "string", "format": "uuid"] }
    package static var example: UUIDText { UUIDText(valid: "123e4567-e89b-42d3-a456-426614174000") }
}

private func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
}
