import Foundation
import Manifest
import Resource
import Testing

@testable import Kinds

@Suite struct SpecsSchemaTests {
    @Test func `the schemas beside the code are those the code draws`() throws {
        for kind in Catalog.table.all {
            let text = String(decoding: kind.schema().encoded(pretty: true), as: UTF8.self)
            try Checkout.expect(text.hasSuffix("\n") ? text : text + "\n", in: "schemas/\(kind.plural).json")
        }
        #expect(try Checkout.files(in: "schemas", ending: ".json") == Catalog.table.all.map { "\($0.plural).json" }.sorted())
    }

    @Test func `every good object satisfies its schema`() throws {
        for manifest in try goodManifests() {
            for draft in readGood(manifest).drafts {
                let schema = try #require(Catalog.table[draft.reference.kind]).schema()
                #expect(violations(of: schema, by: draft.document.json) == [], "\(draft.reference) as written")
                #expect(violations(of: schema, by: try draft.resource.json()) == [], "\(draft.reference) as stored")
            }
        }
    }

    @Test func `a schema refuses what the reader refuses for its shape`() throws {
        let shapes = [
            "unknown-field", "wrong-type-text", "wrong-type-mapping", "required-missing", "out-of-range-cpus", "choice-misspelt",
            "machine-both", "machine-neither", "top-level-unknown", "layout-content-type",
        ]
        for name in shapes {
            let (documents, _) = YAML.read(try Checkout.bytes("manifests/bad/\(name).yaml"), file: name)
            let found = documents.flatMap { document in
                violations(of: Catalog.table[document["kind"]?.json.string ?? ""]?.schema() ?? .null, by: document.json)
            }
            #expect(!found.isEmpty, "\(name)")
        }
    }

    @Test func `every field of every schema is described`() {
        func undescribed(_ schema: JSON, _ path: String) -> [String] {
            var found: [String] = []
            for (name, member) in (schema["properties"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
                let here = "\(path).\(name)"
                if member["description"]?.string?.isEmpty ?? true, member["const"] == nil { found.append(here) }
                found += undescribed(member, here)
            }
            if let items = schema["items"] { found += undescribed(items, path + "[]") }
            for alternative in schema["oneOf"]?.array ?? [] { found += undescribed(alternative, path) }
            return found
        }
        for kind in Catalog.table.all { #expect(undescribed(kind.schema()["properties"]?["spec"] ?? .null, kind.name) == []) }
    }
}

/// As much of JSON Schema as our schemas use.
private func violations(of schema: JSON, by value: JSON, _ path: String = "") -> [String] {
    var found: [String] = []
    if let constant = schema["const"], constant != value { found.append("\(path): is not \(constant.text)") }
    if let words = schema["enum"]?.array, !words.contains(value) { found.append("\(path): is not one of \(words.map(\.text))") }
    let types = schema["type"]?.string.map { [$0] } ?? schema["type"]?.array?.compactMap(\.string)
    if let types, !types.contains(where: { has(value, $0) }) { found.append("\(path): is not \(types)") }
    if let least = schema["minimum"]?.integer, let number = value.integer, number < least {
        found.append("\(path): is below \(least)")
    }
    if let most = schema["maximum"]?.integer, let number = value.integer, number > most {
        found.append("\(path): is above \(most)")
    }
    if let pattern = schema["pattern"]?.string, let text = value.string, let regex = try? Regex(pattern),
        text.firstMatch(of: regex) == nil
    {
        found.append("\(path): \(text) does not match \(pattern)")
    }
    if let members = value.object {
        let properties = schema["properties"]?.object
        for name in schema["required"]?.array?.compactMap(\.string) ?? [] where members[name] == nil {
            found.append("\(path): lacks \(name)")
        }
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            if let property = properties?[name] {
                found += violations(of: property, by: member, "\(path).\(name)")
            } else if schema["additionalProperties"] == .bool(false) {
                found.append("\(path): has \(name)")
            } else if let rest = schema["additionalProperties"], rest.object != nil {
                found += violations(of: rest, by: member, "\(path).\(name)")
            }
        }
        if let least = schema["minProperties"]?.integer, members.count < least { found.append("\(path): has too few members") }
        if let most = schema["maxProperties"]?.integer, members.count > most { found.append("\(path): has too many members") }
    }
    if let items = value.array {
        for (index, item) in items.enumerated() {
            found += violations(of: schema["items"] ?? .object([:]), by: item, "\(path)[\(index)]")
        }
        if let least = schema["minItems"]?.integer, items.count < least { found.append("\(path): has too few items") }
        if let most = schema["maxItems"]?.integer, items.count > most { found.append("\(path): has too many items") }
    }
    if let alternatives = schema["oneOf"]?.array, alternatives.filter({ violations(of: $0, by: value).isEmpty }).count != 1 {
        found.append("\(path): is not exactly one alternative")
    }
    if let alternatives = schema["anyOf"]?.array, !alternatives.contains(where: { violations(of: $0, by: value).isEmpty }) {
        found.append("\(path): is no alternative")
    }
    return found
}

private func has(_ value: JSON, _ type: String) -> Bool {
    switch (type, value) {
    case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("null", .null): true
    case ("integer", .integer), ("number", .integer), ("number", .number): true
    default: false
    }
}
