/// A tree of plain data: what JSON (RFC 8259) can say. Whole numbers within 64 bits keep their exact value.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Always finite when it was read; a number that is not finite is written as `null`.
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    package var array: [JSON]? { if case .array(let items) = self { items } else { nil } }
    package var object: [String: JSON]? { if case .object(let members) = self { members } else { nil } }

    /// A member of an object; nil when absent or when this is not an object. Setting nil removes the
    /// member; setting a member of something that is not an object makes it an object of that one member.
    package subscript(key: String) -> JSON? {
        get {
            if case .object(let members) = self { members[key] } else { nil }
        }
        set {
            guard case .object(var members) = self else {
                if let newValue { self = .object([key: newValue]) }
                return
            }
            self = .null  // so that the dictionary is changed in place, not copied
            members[key] = newValue
            self = .object(members)
        }
    }

    /// The value at `spec.disks[0].size`; keys that hold dots or brackets are written `labels["a.b"]`. The
    /// empty path is the value itself; nil when nothing is there or the path is not well-formed.
    package func at(_ path: String) -> JSON? {
        guard let steps = PathStep.parse(path) else { return nil }
        var here = self
        for step in steps {
            switch (step, here) {
            case (.key(let key), .object(let members)):
                guard let next = members[key] else { return nil }
                here = next
            case (.index(let index), .array(let items)) where items.indices.contains(index): here = items[index]
            default: return nil
            }
        }
        return here
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral number: Int64) { self = .integer(number) }
    package init(booleanLiteral flag: Bool) { self = .bool(flag) }
}

extension JSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    package init(arrayLiteral items: JSON...) { self = .array(items) }
    package init(dictionaryLiteral members: (String, JSON)...) { self = .object(Dictionary(uniqueKeysWithValues: members)) }
}

extension JSON: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? container.decode(Int64.self) {
            self = .integer(number)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let items = try? container.decode([JSON].self) {
            self = .array(items)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let flag): try container.encode(flag)
        case .integer(let number): try container.encode(number)
        case .number(let number): try number.isFinite ? container.encode(number) : container.encodeNil()
        case .string(let text): try container.encode(text)
        case .array(let items): try container.encode(items)
        case .object(let members): try container.encode(members)
        }
    }
}
