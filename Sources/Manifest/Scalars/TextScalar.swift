/// A scalar that is stored as its text.
package protocol TextScalar: Scalar, Codable, CustomStringConvertible {}

extension TextScalar {
    package var description: String { scalarText }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(ScalarProblem) {
            try self.init(scalar: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(quoted(text)) \(error.rest)")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(scalarText)
    }
}

extension String: Scalar {
    package init(scalar text: String) throws(ScalarProblem) { self = text }
    package var scalarText: String { self }
    package static var schema: JSON { ["type": "string"] }
    package static var example: String { "text" }
}

extension Int: Scalar {
    /// Decimal, `0o17` or `0x1F`, as in YAML's core schema.
    package init(scalar text: String) throws(ScalarProblem) {
        guard let number = CoreSchema.integer(text) else { throw ScalarProblem("is not a whole number") }
        self = Int(number)
    }
    package var scalarText: String { String(self) }
    package static var schema: JSON { ["type": "integer"] }
    package static var example: Int { 1 }
}

extension Bool: Scalar {
    package init(scalar text: String) throws(ScalarProblem) {
        guard case .bool(let flag) = CoreSchema.resolve(plain: text) else {
            switch text.lowercased() {
            case "yes", "y", "on": throw ScalarProblem("is not true or false; write true")
            case "no", "n", "off": throw ScalarProblem("is not true or false; write false")
            default: throw ScalarProblem("is not true or false")
            }
        }
        self = flag
    }
    package var scalarText: String { self ? "true" : "false" }
    package static var schema: JSON { ["type": "boolean"] }
    package static var example: Bool { false }
}

/// Digits only, so that neither a sign nor a blank is taken for part of a number.
func decimal<Number: FixedWidthInteger>(_ text: some StringProtocol) -> Number? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Number(text)
}
