/// How a call ended (gRPC over HTTP/2, `grpc-status` and `grpc-message`).
package struct GRPCStatus: Error, Hashable, Sendable, CustomStringConvertible {
    /// The codes of `doc/statuscodes.md`.
    package enum Code: Int, Hashable, Sendable {
        case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied,
            resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable, dataLoss,
            unauthenticated

        /// As grpc-go and its metrics have it.
        package var name: String {
            switch self {
            case .ok: "OK"
            case .cancelled: "Canceled"
            case .internalError: "Internal"
            default: "\(self)".prefix(1).uppercased() + "\(self)".dropFirst()
            }
        }
    }

    package var code: Code
    package var message: String
    /// Seen by a client: no server has begun with this call, so that it may be made again whatever it does.
    package var isUnsent: Bool

    package init(_ code: Code, _ message: String, isUnsent: Bool = false) {
        self.code = code
        self.message = message
        self.isUnsent = isUnsent
    }

    package static let ok = GRPCStatus(.ok, "")

    package var description: String { message.isEmpty ? "\(code)" : "\(code): \(message)" }
}

/// `grpc-message` is percent-encoded: what is not printable ASCII, and the percent sign, as %XX of its UTF-8.
enum PercentText {
    /// - Parameter bytesMax: the end of what would be longer is left out.
    static func encode(_ text: String, bytesMax: Int = .max) -> String {
        if text.utf8.count <= bytesMax, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "%") }) { return text }
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for letter in text.unicodeScalars {
            // A letter is at most four bytes, of three signs each.
            if bytes.count > bytesMax - 12 { break }
            for byte in UTF8.encode(letter) ?? UTF8.encodedReplacementCharacter {
                if byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "%") {
                    bytes.append(byte)
                } else {
                    bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What is not a proper escape stays as it is.
    static func decode(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        var place = 0
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "%"), place + 2 < bytes.count,
                let high = Self.digit(bytes[place + 1]), let low = Self.digit(bytes[place + 2])
            {
                decoded.append(high << 4 | low)
                place += 3
            } else {
                decoded.append(bytes[place])
                place += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? { Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) } }
}

/// `grpc-timeout`: at most eight digits and a unit.
enum TimeoutText {
    static func decode(_ text: Substring) -> Duration? {
        // One to eight digits, and nothing before them.
        guard let unit = text.last, (2...9).contains(text.utf8.count), text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(text.dropLast())
        else { return nil }
        return switch unit {
        case "H": .seconds(count * 3600)
        case "M": .seconds(count * 60)
        case "S": .seconds(count)
        case "m": .milliseconds(count)
        case "u": .microseconds(count)
        case "n": .nanoseconds(count)
        default: nil
        }
    }

    static func encode(_ duration: Duration) -> String {
        // As much as the format can say.
        guard duration < .seconds(99_999_999) else { return "99999999S" }
        let microseconds = max(1, duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000)
        if microseconds < 100_000_000 { return "\(microseconds)u" }
        let milliseconds = microseconds / 1000
        return milliseconds < 100_000_000 ? "\(milliseconds)m" : "\(min(99_999_999, milliseconds / 1000))S"
    }
}
