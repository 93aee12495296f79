extension JSONTexts {
    /// The same text without escapes that are not needed: SwiftProtobuf reads base64 as it stands, while some encoders write its `=` as
    /// \u003d. Line breaks in what is otherwise base64 go, too (RFC 2045 §6.8; Go's decoder passes over them).
    static func plain(_ body: [UInt8]) -> [UInt8] {
        guard body.contains(backslash) else { return body }
        var plain: [UInt8] = []
        plain.reserveCapacity(body.count)
        var place = 0
        while place < body.count {
            guard body[place] == quote else {
                plain.append(body[place])
                place += 1
                continue
            }
            let end = endOfString(body, from: place)
            plain += literal(body[place..<end])
            place = end
        }
        return plain
    }

    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// Behind the quotation mark that ends the string; where there is none, behind the text.
    private static func endOfString(_ body: [UInt8], from start: Int) -> Int {
        var place = start + 1
        while place < body.count, body[place] != quote { place += body[place] == backslash ? 2 : 1 }
        return min(place + 1, body.count)
    }

    private static func literal(_ literal: ArraySlice<UInt8>) -> [UInt8] {
        guard literal.contains(backslash) else { return Array(literal) }
        var written: [UInt8] = []
        var joined: [UInt8] = []
        var rest = literal
        while let first = rest.first {
            let isEscape = first == backslash
            if isEscape, let character = needlessEscape(rest) {
                written.append(character)
                joined.append(character)
                rest = rest.dropFirst(character == UInt8(ascii: "/") && rest.dropFirst().first == character ? 2 : 6)
                continue
            }
            let part = rest.prefix(isEscape ? 2 : 1)
            written += part
            if !isEscape || !lineBreaks.contains(part.last ?? 0) { joined += part }
            rest = rest.dropFirst(part.count)
        }
        return joined.dropFirst().dropLast().allSatisfy(base64.contains) ? joined : written
    }

    /// \/, or a printable character of \u0020 to \u007e that may stand as it is.
    private static func needlessEscape(_ text: ArraySlice<UInt8>) -> UInt8? {
        if text.dropFirst().first == UInt8(ascii: "/") { return UInt8(ascii: "/") }
        guard text.starts(with: "\\u00".utf8), text.count >= 6,
            let code = UInt8(String(decoding: text.dropFirst(4).prefix(2), as: UTF8.self), radix: 16)
        else { return nil }
        return (0x20..<0x7f).contains(code) && code != quote && code != backslash ? code : nil
    }

    /// As they are escaped.
    private static let lineBreaks = Set("rn".utf8)
    private static let base64 = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=".utf8)
}
