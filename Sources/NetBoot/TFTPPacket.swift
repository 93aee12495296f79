/// A TFTP message (RFC 1350, options RFC 2347 to 2349 and 7440):
///
///     RRQ   1 | file 0 | mode 0 | (option 0 | value 0)…      DATA 3 | block 2 | bytes
///     WRQ   2 | the same                                     ACK  4 | block 2
///     ERROR 5 | code 2 | text 0                              OACK 6 | (option 0 | value 0)…
package enum TFTPPacket: Hashable, Sendable {
    package struct Request: Hashable, Sendable {
        package var file: String
        /// Small: "octet".
        package var mode: String
        /// Names small, in the order they came.
        package var options: [Option]

        package init(file: String, mode: String, options: [Option]) {
            self.file = file
            self.mode = mode
            self.options = options
        }
    }

    package struct Option: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    case read(Request)
    case write(Request)
    case data(block: UInt16, [UInt8])
    case acknowledge(block: UInt16)
    case error(code: UInt16, String)
    case options([Option])

    /// A request longer than this names nothing that is here (RFC 2347 has 512 for all of it).
    static let requestBytesMax = 512
    static let optionsMax = 16

    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 4, bytes[0] == 0 else { return nil }
        let number = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        switch bytes[1] {
        case 1, 2:
            guard bytes.count <= Self.requestBytesMax, let texts = Self.texts(bytes[2...]), texts.count >= 2,
                let options = Self.pairs(texts.dropFirst(2))
            else { return nil }
            let request = Request(file: texts[0], mode: texts[1].lowercased(), options: options)
            self = bytes[1] == 1 ? .read(request) : .write(request)
        case 3:
            self = .data(block: number, Array(bytes[4...]))
        case 4:
            self = .acknowledge(block: number)
        case 5:
            self = .error(code: number, String(decoding: bytes[4...].prefix { $0 != 0 }.prefix(256), as: UTF8.self))
        case 6:
            guard bytes.count <= Self.requestBytesMax, let texts = Self.texts(bytes[2...]), let options = Self.pairs(texts[...]) else { return nil }
            self = .options(options)
        default:
            return nil
        }
    }

    /// Each ends with a zero byte, the last one too.
    private static func texts(_ bytes: ArraySlice<UInt8>) -> [String]? {
        guard bytes.last == 0 else { return nil }
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func pairs(_ texts: ArraySlice<String>) -> [Option]? {
        guard texts.count.isMultiple(of: 2), texts.count <= 2 * optionsMax else { return nil }
        return stride(from: texts.startIndex, to: texts.endIndex, by: 2).map { Option(name: texts[$0].lowercased(), value: texts[$0 + 1]) }
    }

    package var bytes: [UInt8] {
        func text(_ text: String) -> [UInt8] { text.utf8.filter { $0 != 0 } + [0] }
        func number(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }
        func pairs(_ options: [Option]) -> [UInt8] { options.flatMap { text($0.name) + text($0.value) } }
        return switch self {
        case .read(let request): [0, 1] + text(request.file) + text(request.mode) + pairs(request.options)
        case .write(let request): [0, 2] + text(request.file) + text(request.mode) + pairs(request.options)
        case .data(let block, let bytes): [0, 3] + number(block) + bytes
        case .acknowledge(let block): [0, 4] + number(block)
        case .error(let code, let message): [0, 5] + number(code) + text(message)
        case .options(let options): [0, 6] + pairs(options)
        }
    }
}
