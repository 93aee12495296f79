/// The parameters behind the question mark, in their order.
struct Query: Sendable {
    private var pairs: [(name: String, value: String)] = []

    init(_ text: String) {
        for part in text.split(separator: "&") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = sides.count > 1 ? Self.text(sides[1]) : ""
            pairs.append((Self.text(sides[0]), value))
        }
    }

    subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }
    func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    private static func text(_ part: Substring) -> String {
        String(decoding: PercentEncoding.decode(part.utf8.map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }) ?? Array(part.utf8), as: UTF8.self)
    }
}

enum PercentEncoding {
    /// RFC 3986, 2.1. nil when a percent sign is not followed by two hexadecimal digits.
    static func decode(_ bytes: [UInt8]) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var place = 0
        while place < bytes.count {
            guard bytes[place] == UInt8(ascii: "%") else {
                decoded.append(bytes[place])
                place += 1
                continue
            }
            guard place + 2 < bytes.count, let high = digit(bytes[place + 1]), let low = digit(bytes[place + 2]) else { return nil }
            decoded.append(high << 4 | low)
            place += 3
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
