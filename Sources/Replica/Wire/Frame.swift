import Bytes
import NIOCore

/// What stands between two members on a connection, numbers little-endian:
///
///     0  4  length n of the payload, 1 to the limit of the connection
///     4  4  crc32c of the payload
///     8  n  payload: one byte of kind, then as the kind has it
///
/// The first frame of each side is its greeting or a refusal; nothing else is taken before it.
enum FrameKind: UInt8 {
    /// From the side that dialled, once. See `Greeting`.
    case hello = 1
    /// The answer, once.
    case welcome = 2
    /// The end, and why. See `PeerRefusal+Wire`.
    case refusal = 3
    /// No content: I am still here.
    case ping = 4
    /// A `PeerMessage`.
    case message = 5
}

enum FrameError: Error, Hashable {
    case length(UInt32)
    case checksum
    case kind(UInt8)
}

/// Cuts what arrives into frames. Holds at most one frame more than what it was given in one piece, and never
/// makes room for more than has arrived.
struct FrameDecoder {
    static let headerBytes = 8
    /// Lowered until the other side is known.
    var payloadBytesMax: Int
    private var buffer = ByteBuffer()

    init(payloadBytesMax: Int) { self.payloadBytesMax = payloadBytesMax }

    mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame's kind and what follows it; nil when more must arrive.
    /// - Throws: when this is no frame. Nothing that follows can be trusted then.
    mutating func next() throws(FrameError) -> (kind: FrameKind, content: ByteBuffer)? {
        let start = buffer.readerIndex
        guard let length = buffer.getInteger(at: start, endianness: .little, as: UInt32.self) else { return nil }
        guard length >= 1, length <= payloadBytesMax else { throw .length(length) }
        guard buffer.readableBytes >= Self.headerBytes + Int(length),
            let sum = buffer.getInteger(at: start + 4, endianness: .little, as: UInt32.self),
            var payload = buffer.getSlice(at: start + Self.headerBytes, length: Int(length))
        else { return nil }
        guard payload.withUnsafeReadableBytes({ CRC32C.checksum($0) }) == sum else { throw .checksum }
        guard let byte = payload.readInteger(as: UInt8.self), let kind = FrameKind(rawValue: byte) else {
            throw .kind(payload.getInteger(at: payload.readerIndex - 1) ?? 0)
        }
        buffer.moveReaderIndex(forwardBy: Self.headerBytes + Int(length))
        return (kind, payload)
    }
}

extension ByteBuffer {
    /// - Returns: the bytes of the payload.
    @discardableResult mutating func writeFrame(_ kind: FrameKind, _ content: (inout ByteBuffer) -> Void) -> Int {
        let start = writerIndex
        writeInteger(0, as: UInt64.self)
        writeInteger(kind.rawValue)
        content(&self)
        let begin = start + FrameDecoder.headerBytes - readerIndex
        let sum = withUnsafeReadableBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[begin...])) }
        let length = readableBytes - begin
        setInteger(UInt32(length), at: start, endianness: .little)
        setInteger(sum, at: start + 4, endianness: .little)
        return length
    }
}
