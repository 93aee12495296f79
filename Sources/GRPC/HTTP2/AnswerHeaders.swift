import NIOCore

/// Writes the header blocks of one connection's answers (RFC 7541). What every answer says is entered into the client's table with the first
/// one, and is a byte from then on; what differs is not entered, so that the two always have their places.
struct AnswerHeaders {
    private var hasType = false, hasSuccess = false
    private var mayEnter = true
    private var mustEmptyTable = false

    private static let type = ("content-type", "application/grpc")
    private static let success = ("grpc-status", "0")
    /// A block stays within one frame, and within what clients take.
    private static let messageBytesMax = 4 * 1024
    /// As large as it is as long as the client does not say otherwise.
    private static let tableBytes = 4096

    /// The client said how large its table may be. If that is less than it was, it must be told before anything else that we keep to it
    /// (RFC 7541 §4.2), and nothing is entered from now on.
    mutating func limitTable(_ bytes: Int) {
        guard bytes < Self.tableBytes, mayEnter else { return }
        (mayEnter, mustEmptyTable, hasType, hasSuccess) = (false, true, false, false)
    }

    /// A whole frame that begins an answer.
    mutating func writeHead(_ stream: UInt32, to buffer: inout ByteBuffer) {
        Self.frame(stream, [], &buffer) { begin(&$0) }
    }

    /// A whole frame that ends an answer with its status.
    /// - Parameter hasHead: else it says what `writeHead` does as well ("Trailers-Only").
    mutating func writeEnd(_ stream: UInt32, _ status: GRPCStatus, hasHead: Bool, to buffer: inout ByteBuffer) {
        Self.frame(stream, .endStream, &buffer) { block in
            if hasHead { emptyTable(&block) } else { begin(&block) }
            if status.code == .ok && status.message.isEmpty { return succeed(&block) }
            Self.field("grpc-status", String(status.code.rawValue), &block)
            if !status.message.isEmpty { Self.field("grpc-message", PercentText.encode(status.message, bytesMax: Self.messageBytesMax), &block) }
            if !hasHead && status.code == .unimplemented { Self.field("grpc-accept-encoding", "identity", &block) }
        }
    }

    /// A whole frame that tells a client who does not speak gRPC.
    mutating func writePlain(_ stream: UInt32, status: String, to buffer: inout ByteBuffer) {
        Self.frame(stream, .endStream, &buffer) { block in
            emptyTable(&block)
            Self.field(":status", status, &block)
            Self.field("content-length", "0", &block)
        }
    }

    // MARK: blocks

    private mutating func begin(_ block: inout ByteBuffer) {
        emptyTable(&block)
        // `:status: 200` of the static table.
        block.writeInteger(UInt8(0x80 | 8))
        Self.common(Self.type, &hasType, at: hasSuccess ? 63 : 62, mayEnter, &block)
    }

    private mutating func succeed(_ block: inout ByteBuffer) { Self.common(Self.success, &hasSuccess, at: 62, mayEnter, &block) }

    private mutating func emptyTable(_ block: inout ByteBuffer) {
        guard mustEmptyTable else { return }
        mustEmptyTable = false
        // Dynamic table size update, to nothing (§6.3).
        block.writeInteger(UInt8(0x20))
    }

    private static func frame(_ stream: UInt32, _ flags: FrameFlags, _ buffer: inout ByteBuffer, _ block: (inout ByteBuffer) -> Void) {
        let start = buffer.writerIndex
        buffer.writeFrame(.headers, flags.union(.endHeaders), stream: stream, length: 0)
        block(&buffer)
        let length = buffer.writerIndex - start - FrameHead.bytes
        buffer.setInteger(UInt32(length) << 8 | UInt32(FrameType.headers.rawValue), at: start)
    }

    /// What many answers say: by its place in the table (§6.1), if it was entered, or in letters.
    private static func common(_ said: (name: String, value: String), _ isEntered: inout Bool, at place: UInt8, _ mayEnter: Bool, _ block: inout ByteBuffer) {
        guard !isEntered else { return _ = block.writeInteger(0x80 | place) }
        field(said.name, said.value, entering: mayEnter, &block)
        isEntered = mayEnter
    }

    /// A literal, with indexing (§6.2.1) or without (§6.2.2).
    private static func field(_ name: String, _ value: String, entering: Bool = false, _ block: inout ByteBuffer) {
        block.writeInteger(UInt8(entering ? 0x40 : 0))
        string(name, &block)
        string(value, &block)
    }

    /// Not Huffman-coded (§5.2), its length with a prefix of seven bits (§5.1).
    private static func string(_ text: String, _ block: inout ByteBuffer) {
        var length = text.utf8.count
        if length < 127 {
            block.writeInteger(UInt8(length))
        } else {
            block.writeInteger(UInt8(127))
            length -= 127
            while length >= 128 {
                block.writeInteger(UInt8(length & 0x7F | 0x80))
                length >>= 7
            }
            block.writeInteger(UInt8(length))
        }
        block.writeString(text)
    }
}
