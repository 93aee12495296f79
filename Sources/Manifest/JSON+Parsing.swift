/// Why bytes are not JSON, and where.
package struct JSONProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var mark: Mark
    package var message: String

    package init(mark: Mark, message: String) {
        self.mark = mark
        self.message = message
    }

    package var description: String { "\(mark.line):\(mark.column): \(message)" }
}

extension JSON {
    /// Strict RFC 8259. Refused besides: duplicate names, lone surrogates, numbers that no Double holds, and
    /// nesting deeper than `depthMax`. Whole numbers beyond 64 bits become the nearest Double.
    package init(parsing bytes: some Collection<UInt8>, depthMax: Int = 128) throws(JSONProblem) {
        let all = (bytes as? [UInt8]) ?? Array(bytes)
        if let bad = invalidUTF8(all) {
            throw JSONProblem(mark: place(of: bad, in: all), message: "byte 0x\(hex(all[bad])) is not UTF-8")
        }
        var parser = JSONParser(bytes: all, depthMax: depthMax)
        self = try parser.document()
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    let depthMax: Int
    var index = 0

    init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    func problem(_ message: String, at offset: Int? = nil) -> JSONProblem {
        JSONProblem(mark: place(of: offset ?? index, in: bytes), message: message)
    }

    func unexpected(_ wanted: String) -> JSONProblem {
        guard let next else { return problem("the text ends where \(wanted) is expected") }
        let shown = (0x21...0x7E).contains(next) ? "\"\(Unicode.Scalar(next))\"" : "byte 0x\(hex(next))"
        return problem("\(shown) stands where \(wanted) is expected")
    }

    mutating func document() throws(JSONProblem) -> JSON {
        let value = try value(depth: 1)
        skipBlanks()
        guard next == nil else { throw unexpected("the end") }
        return value
    }

    mutating func skipBlanks() {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x0A, 0x0D, 0x09: index += 1
            default: return
            }
        }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    mutating func value(depth: Int) throws(JSONProblem) -> JSON {
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(0x30...0x39): return try number()
        default: throw unexpected("a value")
        }
    }

    mutating func word(_ word: String, _ value: JSON) throws(JSONProblem) -> JSON {
        guard bytes[index...].starts(with: word.utf8) else { throw unexpected("a value") }
        index += word.utf8.count
        return value
    }

    mutating func array(depth: Int) throws(JSONProblem) -> JSON {
        guard depth <= depthMax else { throw problem("nests deeper than \(depthMax) levels") }
        index += 1
        var items: [JSON] = []
        skipBlanks()
        if take("]") { return .array(items) }
        while true {
            items.append(try value(depth: depth + 1))
            skipBlanks()
            if take("]") { return .array(items) }
            guard take(",") else { throw unexpected("\",\" or \"]\"") }
        }
    }

    mutating func object(depth: Int) throws(JSONProblem) -> JSON {
        guard depth <= depthMax else { throw problem("nests deeper than \(depthMax) levels") }
        index += 1
        var members: [String: JSON] = [:]
        skipBlanks()
        if take("}") { return .object(members) }
        while true {
            skipBlanks()
            let start = index
            guard next == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
            let key = try string()
            skipBlanks()
            guard take(":") else { throw unexpected("\":\"") }
            let value = try value(depth: depth + 1)
            guard members.updateValue(value, forKey: key) == nil else { throw problem("\(quoted(key)) is given twice", at: start) }
            skipBlanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw unexpected("\",\" or \"}\"") }
        }
    }

    mutating func number() throws(JSONProblem) -> JSON {
        let start = index
        func digits(_ index: inout Int) -> Int {
            let first = index
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
            return index - first
        }
        _ = take("-")
        if take("0") {
            if let next, (0x30...0x39).contains(next) { throw problem("a number may not begin with 0", at: start) }
        } else if digits(&index) == 0 {
            throw unexpected("a digit")
        }
        var isWhole = true
        if take(".") {
            isWhole = false
            guard digits(&index) > 0 else { throw unexpected("a digit") }
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            guard digits(&index) > 0 else { throw unexpected("a digit") }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let double = Double(text), double.isFinite else { throw problem("the number \(quoted(text)) is too large", at: start) }
        return .number(double)
    }

    mutating func string() throws(JSONProblem) -> String {
        let start = index
        index += 1
        var run = index
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                text += bytes[run..<index]
                index += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                text += bytes[run..<index]
                text.append(contentsOf: UTF8.encode(try escape())!)
                run = index
            case 0..<0x20: throw problem("byte 0x\(hex(byte)) must be written as an escape in a string")
            default: index += 1
            }
        }
        throw problem("the string that begins here has no closing quote", at: start)
    }

    mutating func escape() throws(JSONProblem) -> Unicode.Scalar {
        let start = index
        index += 1
        guard let letter = next else { throw unexpected("an escape") }
        index += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw problem("unknown escape in a string", at: start)
        }
        let first = try fourDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take("\\"), take("u") else { throw problem("half of a surrogate pair stands alone", at: start) }
        let second = try fourDigits()
        guard (0xDC00...0xDFFF).contains(second), let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
            throw problem("half of a surrogate pair stands alone", at: start)
        }
        return scalar
    }

    mutating func fourDigits() throws(JSONProblem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw unexpected("a hexadecimal digit") }
            value = value << 4 + UInt32(digit)
            index += 1
        }
        return value
    }
}
