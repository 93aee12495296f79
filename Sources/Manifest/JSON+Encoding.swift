extension JSON {
    /// UTF-8 text with sorted keys, slashes not escaped; `pretty` puts each member on a line, indented by two.
    package func encoded(pretty: Bool = false) -> [UInt8] {
        var out: [UInt8] = []
        write(to: &out, indent: pretty ? 0 : nil)
        if pretty { out.append(UInt8(ascii: "\n")) }
        return out
    }

    /// `encoded()` as text.
    package var text: String { String(decoding: encoded(), as: UTF8.self) }

    private func write(to out: inout [UInt8], indent: Int?) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .integer(let number): out += String(number).utf8
        case .number(let number): out += (number.isFinite ? number.description : "null").utf8
        case .string(let text): JSON.write(text, to: &out)
        case .array(let items):
            JSON.write(items, "[", "]", to: &out, indent: indent) { item, out, indent in item.write(to: &out, indent: indent) }
        case .object(let members):
            JSON.write(JSON.sorted(members), "{", "}", to: &out, indent: indent) { member, out, indent in
                JSON.write(member.key, to: &out)
                out.append(UInt8(ascii: ":"))
                if indent != nil { out.append(UInt8(ascii: " ")) }
                member.value.write(to: &out, indent: indent)
            }
        }
    }

    /// By the keys' bytes, so that the order is the same everywhere.
    static func sorted(_ members: [String: JSON]) -> [(key: String, value: JSON)] {
        members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private static func write<Items: Collection>(
        _ items: Items, _ open: Unicode.Scalar, _ close: Unicode.Scalar, to out: inout [UInt8], indent: Int?,
        _ write: (Items.Element, inout [UInt8], Int?) -> Void
    ) {
        out.append(UInt8(ascii: open))
        var isFirst = true
        for item in items {
            if !isFirst { out.append(UInt8(ascii: ",")) }
            isFirst = false
            if let indent { newLine(indent + 2, &out) }
            write(item, &out, indent.map { $0 + 2 })
        }
        if let indent, !isFirst { newLine(indent, &out) }
        out.append(UInt8(ascii: close))
    }

    private static func newLine(_ indent: Int, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "\n"))
        out.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent))
    }

    /// A string literal that is both JSON's and YAML's double-quoted one: what either would take for a line break or
    /// refuse as a control character is escaped.
    static func write(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: out += "\\\"".utf8
            case 0x5C: out += "\\\\".utf8
            case 0x0A: out += "\\n".utf8
            case 0x0D: out += "\\r".utf8
            case 0x09: out += "\\t".utf8
            case 0..<0x20, 0x7F...0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
                let digits = String(scalar.value, radix: 16)
                out += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: out.append(contentsOf: UTF8.encode(scalar)!)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
