/// The JSON Schema (draft 2020-12) of one mapping, drawn by the very calls that read it.
package struct Schema: Hashable, Sendable {
    private var properties: [String: JSON] = [:]
    private var required: [String] = []

    mutating func add(_ name: String, _ schema: JSON, isRequired: Bool) {
        properties[name] = schema
        if isRequired, !required.contains(name) { required.append(name) }
    }

    package var json: JSON {
        var schema: JSON = ["type": "object", "properties": .object(properties), "additionalProperties": false]
        if !required.isEmpty { schema["required"] = .array(required.map { .string($0) }) }
        return schema
    }

    static func described(_ schema: JSON, _ help: String) -> JSON {
        var schema = schema
        if !help.isEmpty { schema["description"] = .string(help) }
        return schema
    }

    static func choice(_ words: [String]) -> JSON { ["type": "string", "enum": .array(words.map { .string($0) })] }

    static func list(_ items: JSON, _ count: ClosedRange<Int>) -> JSON {
        var schema: JSON = ["type": "array", "items": items, "maxItems": .integer(Int64(count.upperBound))]
        if count.lowerBound > 0 { schema["minItems"] = .integer(Int64(count.lowerBound)) }
        return schema
    }

    /// A scalar as a default stands in a schema.
    static func json<T: Scalar>(_ value: T) -> JSON {
        switch value {
        case let number as Int: .integer(Int64(number))
        case let flag as Bool: .bool(flag)
        default: .string(value.scalarText)
        }
    }
}

extension Fields {
    mutating func draw(_ name: String, _ schema: JSON, _ help: String, fallback: JSON? = nil, isRequired: Bool = false) {
        guard case .drawing = mode else { return }
        var described = Schema.described(schema, help)
        if let fallback { described["default"] = fallback }
        drawn.add(name, described, isRequired: isRequired)
    }

    mutating func drawInteger(
        _ name: String, _ range: ClosedRange<Int>, _ help: String, fallback: Int? = nil, isRequired: Bool = false
    ) {
        let schema: JSON = [
            "type": "integer", "minimum": .integer(Int64(range.lowerBound)), "maximum": .integer(Int64(range.upperBound)),
        ]
        draw(name, schema, help, fallback: fallback.map { .integer(Int64($0)) }, isRequired: isRequired)
    }
}
