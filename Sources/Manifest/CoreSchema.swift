/// YAML 1.2.2 section 10.3, the core schema, but for `.inf` and `.nan`, which stay text: JSON has no such
/// numbers, and no field of ours means them. So `no`, `on` and `1_000` are text, and `0o17` is 15.
enum CoreSchema {
    static func resolve(_ text: String, plain: Bool, tag: String?) -> JSON {
        switch tag {
        case nil: plain ? resolve(plain: text) : .string(text)
        case "!!int"?, "!!float"?, "!!bool"?, "!!null"?: resolve(plain: text)
        default: .string(text)
        }
    }

    /// Whether the tag says what the text is: `!!int abc` does not.
    static func accepts(_ text: String, tag: String) -> Bool {
        switch (tag, resolve(plain: text)) {
        case ("!!int", .integer), ("!!float", .number), ("!!float", .integer), ("!!bool", .bool), ("!!null", .null): true
        case ("!!str", _): true
        default: false
        }
    }

    static func resolve(plain text: String) -> JSON {
        guard let first = text.utf8.first else { return .null }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
            return number(text) ?? .string(text)
        case UInt8(ascii: "~"), UInt8(ascii: "n"), UInt8(ascii: "N"):
            return text == "null" || text == "~" || text == "Null" || text == "NULL" ? .null : .string(text)
        case UInt8(ascii: "t"), UInt8(ascii: "T"):
            return text == "true" || text == "True" || text == "TRUE" ? .bool(true) : .string(text)
        case UInt8(ascii: "f"), UInt8(ascii: "F"):
            return text == "false" || text == "False" || text == "FALSE" ? .bool(false) : .string(text)
        default: return .string(text)
        }
    }

    /// `[-+]?[0-9]+`, `0o[0-7]+`, `0x[0-9a-fA-F]+` within 64 bits.
    static func integer(_ text: String) -> Int64? {
        if text.hasPrefix("0o") { return digits(text.dropFirst(2), radix: 8) }
        if text.hasPrefix("0x") { return digits(text.dropFirst(2), radix: 16) }
        return Int64(text)
    }

    private static func digits(_ text: Substring, radix: Int) -> Int64? {
        text.first == "-" || text.first == "+" ? nil : Int64(text, radix: radix)
    }

    private static func number(_ text: String) -> JSON? {
        if let integer = integer(text) { return .integer(integer) }
        guard isFloat(text.utf8) else { return nil }
        guard let double = Double(text.replacingTrailingPoint), double.isFinite else { return nil }
        return .number(double)
    }

    /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
    private static func isFloat(_ text: String.UTF8View) -> Bool {
        var rest = text[...]
        func digits(_ rest: inout Substring.UTF8View) -> Int {
            let tail = rest.drop { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            defer { rest = tail }
            return rest.count - tail.count
        }
        func sign(_ rest: inout Substring.UTF8View) {
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        }
        sign(&rest)
        let whole = digits(&rest)
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = digits(&rest)
        }
        guard whole + fraction > 0 else { return false }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            sign(&rest)
            guard digits(&rest) > 0 else { return false }
        }
        return rest.isEmpty
    }
}

extension String {
    /// `1.` and `1.e3` as Swift reads them: `1.0`, `1.0e3`.
    fileprivate var replacingTrailingPoint: String {
        guard let point = firstIndex(of: ".") else { return self }
        let next = index(after: point)
        let hasDigit = next < endIndex && self[next].isNumber
        return hasDigit ? self : self[..<next] + "0" + self[next...]
    }
}
