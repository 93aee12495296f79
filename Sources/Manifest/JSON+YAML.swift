extension JSON {
    /// YAML in block style with sorted keys that reads back to the same tree. Text that YAML 1.1 readers
    /// would take for something else (`no`, `12:30`) is quoted too.
    package func yaml() -> String {
        var out: [UInt8] = []
        switch self {
        case .array(let items) where !items.isEmpty: JSON.writeItems(items, indent: 0, to: &out)
        case .object(let members) where !members.isEmpty: JSON.writeMembers(members, indent: 0, to: &out)
        default: writeInline(indent: 0, to: &out)
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func writeMembers(_ members: [String: JSON], indent: Int, to out: inout [UInt8]) {
        var isFirst = true
        for (key, value) in sorted(members) {
            if !isFirst { pad(indent, &out) }
            isFirst = false
            // libyaml reads a key without "?" only up to 1024 characters.
            let isLong = key.utf8.count > 120
            if isLong { out += "? ".utf8 }
            writeText(key, to: &out)
            if isLong {
                out.append(UInt8(ascii: "\n"))
                pad(indent, &out)
            }
            out.append(UInt8(ascii: ":"))
            switch value {
            case .array(let items) where !items.isEmpty:
                out.append(UInt8(ascii: "\n"))
                pad(indent, &out)
                writeItems(items, indent: indent, to: &out)
            case .object(let members) where !members.isEmpty:
                out.append(UInt8(ascii: "\n"))
                pad(indent + 2, &out)
                writeMembers(members, indent: indent + 2, to: &out)
            default:
                out.append(UInt8(ascii: " "))
                value.writeInline(indent: indent + 2, to: &out)
            }
        }
    }

    private static func writeItems(_ items: [JSON], indent: Int, to out: inout [UInt8]) {
        var isFirst = true
        for item in items {
            if !isFirst { pad(indent, &out) }
            isFirst = false
            out += "- ".utf8
            switch item {
            case .array(let items) where !items.isEmpty: writeItems(items, indent: indent + 2, to: &out)
            case .object(let members) where !members.isEmpty: writeMembers(members, indent: indent + 2, to: &out)
            default: item.writeInline(indent: indent + 2, to: &out)
            }
        }
    }

    private static func pad(_ count: Int, _ out: inout [UInt8]) {
        out.append(contentsOf: repeatElement(UInt8(ascii: " "), count: count))
    }

    /// A scalar or something empty, and the end of the line. `indent` is that of a block's lines.
    private func writeInline(indent: Int, to out: inout [UInt8]) {
        switch self {
        case .array: out += "[]".utf8
        case .object: out += "{}".utf8
        case .string(let text) where indent > 0 && JSON.isBlock(text):
            out += (text.hasSuffix("\n") ? "|\n" : "|-\n").utf8
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for line in text.hasSuffix("\n") ? lines.dropLast() : lines {
                if !line.isEmpty { JSON.pad(indent, &out) }
                out += line.utf8
                out.append(UInt8(ascii: "\n"))
            }
            return
        case .string(let text): JSON.writeText(text, to: &out)
        default: out += encoded()
        }
        out.append(UInt8(ascii: "\n"))
    }

    /// Text of several lines that a literal block gives back unchanged.
    private static func isBlock(_ text: String) -> Bool {
        guard text.utf8.contains(0x0A), let first = text.utf8.first, first != 0x20, first != 0x0A, first != 0x09 else { return false }
        if text.utf8.suffix(2).elementsEqual([0x0A, 0x0A]) { return false }
        if text.hasSuffix(" ") || text.utf8.last == 0x09 { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0x0A, 0x20...0x7E, 0xA1...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...0x10FFFF: true
            default: false
            }
        }
    }

    private static func writeText(_ text: String, to out: inout [UInt8]) {
        if isPlain(text) { out += text.utf8 } else { write(text, to: &out) }
    }

    /// Text that every reader takes for the same text without quotes.
    static func isPlain(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, bytes.count <= 200 else { return false }
        guard isWordByte(first) || first == UInt8(ascii: "/"), last != 0x20, last != UInt8(ascii: ":") else { return false }
        for (index, byte) in bytes.enumerated() where !isWordByte(byte) {
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "@"), UInt8(ascii: "="): continue
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"): continue
            case UInt8(ascii: ":") where bytes[index + 1] != 0x20: continue
            case 0x20 where bytes[index + 1] != UInt8(ascii: "#"): continue
            default: return false
            }
        }
        guard case .string = CoreSchema.resolve(plain: text) else { return false }
        if ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(text.lowercased()) { return false }
        // Numbers, times and dates of YAML 1.1: 1_000, 12:30, 2026-01-01; but four numbers with dots are an address.
        let isNumeric = (0x30...0x39).contains(first) && bytes.allSatisfy { (0x30...0x39).contains($0) || "+-.:_eExXoO".utf8.contains($0) }
        return !(isNumeric || isBased(bytes) || isDate(bytes)) || (try? IPv4Address(scalar: text)) != nil
    }

    /// 0b101, 0x1F: numbers of YAML 1.1, also with underscores.
    private static func isBased(_ bytes: [UInt8]) -> Bool { bytes.count > 2 && bytes[0] == 0x30 && "bBxX".utf8.contains(bytes[1]) }

    /// 2026-01-01, 2026-1-1T00:00:00Z, 2026-01-01 00:00:00: YAML 1.1's timestamps.
    private static func isDate(_ bytes: [UInt8]) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "-"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, (1...2).contains(parts[1].count), (parts[0] + parts[1]).allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        let day = parts[2].prefix { (0x30...0x39).contains($0) }, rest = parts[2].dropFirst(day.count)
        return (1...2).contains(day.count) && (rest.first.map { "tT ".utf8.contains($0) } ?? true)
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
    }
}
