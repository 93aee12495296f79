import Foundation
import Host

/// What QMP speaks: JSON (QMP specification, section 2).
package enum QMPValue: Hashable, Sendable, Codable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([QMPValue])
    case object([String: QMPValue])

    package init(from decoder: any Decoder) throws {
        let place = try decoder.singleValueContainer()
        if place.decodeNil() {
            self = .null
        } else if let value = try? place.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? place.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? place.decode(Double.self) {
            self = .number(value)
        } else if let value = try? place.decode(String.self) {
            self = .string(value)
        } else if let value = try? place.decode([QMPValue].self) {
            self = .array(value)
        } else {
            self = .object(try place.decode([String: QMPValue].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var place = encoder.singleValueContainer()
        switch self {
        case .null: try place.encodeNil()
        case .bool(let value): try place.encode(value)
        case .integer(let value): try place.encode(value)
        case .number(let value): try place.encode(value)
        case .string(let value): try place.encode(value)
        case .array(let value): try place.encode(value)
        case .object(let value): try place.encode(value)
        }
    }

    /// `nil` when it is not JSON.
    init?(parsing line: some Collection<UInt8>) {
        guard let value = try? JSONDecoder().decode(QMPValue.self, fromOutside: line) else { return nil }
        self = value
    }

    /// One line of JSON with sorted keys. `nil` for numbers that JSON cannot write.
    var encoded: [UInt8]? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { [UInt8]($0) }
    }

    package subscript(key: String) -> QMPValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
}
