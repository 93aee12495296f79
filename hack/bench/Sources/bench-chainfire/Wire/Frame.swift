import GRPC

/// The nine bytes before every frame's content: length (3), type, flags, stream (RFC 9113 §4.1).
struct FrameHead {
    static let bytes = 9

    var length: Int
    var type: UInt8
    var flags: FrameFlags
    var stream: UInt32

    /// From nine bytes or more.
    init(_ bytes: UnsafeRawBufferPointer) {
        length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        type = bytes[3]
        flags = FrameFlags(rawValue: bytes[4])
        stream = bytes.bigEndian(at: 5) & 0x7FFF_FFFF
    }
}

extension UnsafeRawBufferPointer {
    func bigEndian(at offset: Int) -> UInt32 { UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
}

extension [UInt8] {
    mutating func appendBigEndian(_ number: UInt32) { Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) } }

    mutating func appendFrame(_ type: FrameType, _ flags: FrameFlags = [], stream: UInt32, length: Int) {
        appendBigEndian(UInt32(length) << 8 | UInt32(type.rawValue))
        append(flags.rawValue)
        appendBigEndian(stream)
    }
}

/// The header block of all calls of one method on one connection (RFC 7541): the first enters its fields into the server's
/// table, the later ones only name their places, as every gRPC client does it.
struct CallHeaders {
    private(set) var first: [UInt8] = []
    /// `:method: POST` and `:scheme: http` are in the static table; of the four entered, the last has place 62.
    let later: [UInt8] = [0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]

    init(method: String, authority: String) {
        first += [0x83, 0x86]
        // Places of the names in the static table (RFC 7541, appendix A).
        for (place, value) in [(4, method), (1, authority), (31, "application/grpc")] {
            first.append(0x40 | UInt8(place))
            string(value)
        }
        first.append(0x40)
        string("te")
        string("trailers")
    }

    private mutating func string(_ text: String) {
        precondition(text.utf8.count < 127, "a header that long is not needed here")
        first.append(UInt8(text.utf8.count))
        first += Array(text.utf8)
    }
}

/// A message with gRPC's five bytes before it.
func framed(_ message: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0]
    bytes.appendBigEndian(UInt32(message.count))
    return bytes + message
}
