import Manifest
import Resource

/// The page of `plasma explain`, drawn from the JSON Schema that manifests are checked against.
struct Explanation {
    var kind: String
    var summary: String
    var schema: JSON

    /// - Parameter path: the names below the kind: `["spec", "disks", "size"]`; lists are passed through.
    /// - Throws: `Failure` naming the field that does not exist.
    func text(of path: [String], isRecursive: Bool) throws -> String {
        var here = SchemaField(name: kind, schema: schema, isRequired: false)
        var walked = kind.lowercased()
        for step in path.map({ $0.replacing("[]", with: "") }) {
            let known = here.fields
            guard let next = known.first(where: { $0.name == step }) else {
                let hint =
                    nearest(to: step, among: known.map(\.name)).map { "; did you mean \"\($0)\"?" }
                    ?? (known.isEmpty ? "; it has no fields" : "; its fields are \(known.map(\.name).joined(separator: ", "))")
                throw Failure("\(walked) has no field \"\(step)\"\(hint)")
            }
            here = next
            walked += ".\(step)"
        }
        var lines = ["KIND:     \(kind)", "VERSION:  \(plasmaAPIVersion)"]
        if !path.isEmpty {
            lines.append("FIELD:    \(path.joined(separator: ".")) \(here.type)\(here.isRequired ? " required" : "")")
        }
        lines += ["", "DESCRIPTION:"]
        let description = path.isEmpty ? summary : here.description
        lines.append("  " + (description.isEmpty ? "<none>" : description))
        lines += here.constraints.map { "  \($0)" }
        if !here.fields.isEmpty {
            lines += ["", here.isChoice ? "FIELDS (exactly one of):" : "FIELDS:"]
            lines += isRecursive ? tree(of: here, depth: 1) : list(of: here)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func list(of field: SchemaField) -> [String] {
        let groups = field.groups
        return groups.flatMap { group -> [String] in
            let lead = group.title.isEmpty ? [] : ["  \(group.title)"]
            let indent = group.title.isEmpty ? "  " : "    "
            return lead
                + group.fields.flatMap { field -> [String] in
                    var lines = ["\(indent)\(field.name) \(field.type)\(field.isRequired ? " required" : "")"]
                    let details = ([field.description] + field.constraints).filter { !$0.isEmpty }
                    lines += details.map { "\(indent)    \($0)" }
                    return lines
                }
        }
    }

    private func tree(of field: SchemaField, depth: Int) -> [String] {
        let indent = String(repeating: "  ", count: depth)
        return field.groups.flatMap { group -> [String] in
            let lead = group.title.isEmpty ? [] : [indent + group.title]
            return lead
                + group.fields.flatMap { child -> [String] in
                    [
                        "\(indent)\(group.title.isEmpty ? "" : "  ")\(child.name) \(child.type)\(child.isRequired ? " required" : "")"
                    ]
                        + tree(of: child, depth: depth + (group.title.isEmpty ? 1 : 2))
                }
        }
    }
}

/// One field of a schema, in words.
struct SchemaField {
    struct Group {
        /// "when type is filesystem:"; empty for fields that are always there.
        var title: String
        var fields: [SchemaField]
    }

    var name: String
    var schema: JSON
    var isRequired: Bool

    /// A list's elements are what a person asks about.
    private var element: JSON { schema["items"].map { SchemaField(name: name, schema: $0, isRequired: false).element } ?? schema }

    var description: String { schema["description"]?.string ?? element["description"]?.string ?? "" }

    /// `<integer>`, `<[]object>`, `<map>`, `<virtual | metal>`
    var type: String { "<\(SchemaField.typeName(schema))>" }

    private static func typeName(_ schema: JSON) -> String {
        if let items = schema["items"] { return "[]" + typeName(items) }
        if let value = schema["const"] { return value.string ?? value.text }
        if case .object? = schema["additionalProperties"] { return "map" }
        return schema["type"]?.string ?? schema["type"]?.array?.compactMap(\.string).joined(separator: " | ") ?? "any"
    }

    /// Exactly one of the fields is given.
    var isChoice: Bool { element["maxProperties"] == .integer(1) && element["minProperties"] == .integer(1) }

    var fields: [SchemaField] {
        var seen: Set<String> = []
        return groups.flatMap(\.fields).filter { seen.insert($0.name).inserted }
    }

    var groups: [Group] {
        var groups: [Group] = []
        let own = SchemaField.members(of: element)
        if !own.isEmpty { groups.append(Group(title: "", fields: own)) }
        for alternative in element["oneOf"]?.array ?? [] {
            let members = SchemaField.members(of: alternative)
            let tag = members.first { $0.schema["const"] != nil }
            let title = tag.map { "when \($0.name) is \($0.schema["const"]?.string ?? ""):" } ?? "or:"
            groups.append(Group(title: title, fields: members.filter { $0.name != tag?.name }))
        }
        return groups
    }

    private static func members(of schema: JSON) -> [SchemaField] {
        var properties = schema["properties"]?.object ?? [:]
        if case .object(let values)? = schema["additionalProperties"], let inner = values["properties"]?.object {
            properties.merge(inner) { own, _ in own }
        }
        let required = Set((schema["required"]?.array ?? []).compactMap(\.string))
        return properties.map { SchemaField(name: $0.key, schema: $0.value, isRequired: required.contains($0.key)) }
            .sorted { ($0.isRequired ? 0 : 1, $0.name) < ($1.isRequired ? 0 : 1, $1.name) }
    }

    /// Range, choice, default and pattern, each as a sentence.
    var constraints: [String] {
        var lines: [String] = []
        if let values = element["enum"]?.array {
            lines.append("One of: \(values.map(SchemaField.plain).joined(separator: ", ")).")
        }
        // A size is a number or text with a unit: its description gives the range in the person's units.
        let isNumber = element["type"]?.array == nil
        switch (isNumber ? element["minimum"] : nil, isNumber ? element["maximum"] : nil) {
        case (let low?, let high?): lines.append("From \(low.text) to \(high.text).")
        case (let low?, nil): lines.append("At least \(low.text).")
        case (nil, let high?): lines.append("At most \(high.text).")
        case (nil, nil): break
        }
        switch (schema["minItems"]?.integer, schema["maxItems"]?.integer) {
        case (let low?, let high?): lines.append("\(low) to \(high) of them.")
        case (let low?, nil): lines.append("At least \(low).")
        case (nil, let high?): lines.append("At most \(high).")
        case (nil, nil): break
        }
        if description.isEmpty, let pattern = element["pattern"]?.string { lines.append("Written as \(pattern)") }
        if let fallback = schema["default"] { lines.append("Default: \(SchemaField.plain(fallback)).") }
        return lines
    }

    private static func plain(_ value: JSON) -> String { value.string ?? value.text }
}
