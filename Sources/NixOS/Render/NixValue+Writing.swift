extension NixValue {
    /// As an expression. The same value gives the same bytes: names stand in the order of their bytes, and a set with one
    /// member is written as `a.b = …`.
    /// - Parameter depth: how far the lines after the first are indented, in steps of two spaces.
    package func nix(depth: Int = 0) -> String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): NixValue.written(value)
        case .string(let text): NixValue.quoted(text)
        case .path(let path): NixValue.written(path: path)
        case .list(let values): NixValue.written(values, depth)
        case .attributes(let members): NixValue.written(members, depth)
        }
    }

    /// A string literal (Nix manual, "Data types"): `"`, `\`, and `${` are escaped.
    package static func quoted(_ text: String) -> String {
        var out = "\""
        var rest = text.unicodeScalars[...]
        while let next = rest.popFirst() {
            switch next {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"  // as it stands, a line's end is made of it
            case "\t": out += "\\t"
            case "$" where rest.first == "{": out += "\\$"
            default: out.unicodeScalars.append(next)
            }
        }
        return out + "\""
    }

    private static let keywords: Set = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"]

    /// The name of an attribute: as it stands when it is an identifier and no keyword, else quoted.
    package static func written(name: String) -> String {
        let letters = "a"..."z" as ClosedRange<Character>, capitals = "A"..."Z" as ClosedRange<Character>
        func isFirst(_ mark: Character) -> Bool { letters.contains(mark) || capitals.contains(mark) || mark == "_" }
        let isIdentifier =
            name.first.map(isFirst) ?? false && name.utf8.count == name.count
            && name.dropFirst().allSatisfy { isFirst($0) || ("0"..."9").contains($0) || $0 == "'" || $0 == "-" }
        return isIdentifier && !keywords.contains(name) ? name : quoted(name)
    }

    /// Literals have no sign of their own: in a list, -1 needs parentheses, and the least number cannot be written at all.
    private static func written(_ value: Int) -> String {
        value == .min ? "(-9223372036854775807 - 1)" : value < 0 ? "(\(value))" : "\(value)"
    }

    private static func written(path: String) -> String {
        let isPlain = path.hasPrefix("./") && !path.hasSuffix("/") && !path.contains("//") && path.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || "._-+/".utf8.contains($0)
        }
        return isPlain ? path : "(./. + \(quoted("/" + (path.hasPrefix("./") ? String(path.dropFirst(2)) : path))))"
    }

    private static let widthMax = 100

    private var isScalar: Bool {
        switch self {
        case .list(let values): values.isEmpty
        case .attributes(let members): members.isEmpty
        default: true
        }
    }

    private static func written(_ values: [NixValue], _ depth: Int) -> String {
        if values.isEmpty { return "[ ]" }
        if values.allSatisfy(\.isScalar) {
            let line = "[ " + values.map { $0.nix() }.joined(separator: " ") + " ]"
            if line.count + 2 * depth < widthMax * 3 / 4 { return line }
        }
        let lines = values.map { indent(depth + 1) + $0.nix(depth: depth + 1) + "\n" }
        return "[\n" + lines.joined() + indent(depth) + "]"
    }

    private static func written(_ members: [String: NixValue], _ depth: Int) -> String {
        if members.isEmpty { return "{ }" }
        let lines = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { name, value in
            var path = written(name: name)
            var value = value
            while case .attributes(let inner) = value, inner.count == 1, let only = inner.first {
                path += "." + written(name: only.key)
                value = only.value
            }
            return indent(depth + 1) + path + " = " + value.nix(depth: depth + 1) + ";\n"
        }
        return "{\n" + lines.joined() + indent(depth) + "}"
    }

    private static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }
}

extension NixValue {
    /// As a JSON document (RFC 8259): names in the order of their bytes, indented by two spaces. A path is its text.
    package func json(depth: Int = 0) -> String {
        let indent = String(repeating: "  ", count: depth), inner = indent + "  "
        switch self {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .integer(let value): return "\(value)"
        case .string(let text), .path(let text): return NixValue.jsonQuoted(text)
        case .list(let values):
            if values.isEmpty { return "[]" }
            return "[\n" + values.map { inner + $0.json(depth: depth + 1) }.joined(separator: ",\n") + "\n\(indent)]"
        case .attributes(let members):
            if members.isEmpty { return "{}" }
            let lines = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map {
                inner + NixValue.jsonQuoted($0.key) + ": " + $0.value.json(depth: depth + 1)
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        }
    }

    private static func jsonQuoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
