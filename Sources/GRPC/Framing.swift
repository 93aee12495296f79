import NIOCore
import SwiftProtobuf

/// A message as it goes over the wire, written without a copy: one byte that says "not compressed", four of length,
/// the message (PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
struct FramedMessage: SwiftProtobufContiguousBytes {
    static let prefixBytes = 5
    private(set) var buffer: ByteBuffer

    init(repeating: UInt8, count: Int) {
        buffer = ByteBufferAllocator().buffer(capacity: Self.prefixBytes + count)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(count))
        buffer.moveWriterIndex(forwardBy: count)
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 {
        let bytes = Array(sequence)
        self.init(repeating: 0, count: bytes.count)
        buffer.setBytes(bytes, at: Self.prefixBytes)
    }

    var count: Int { buffer.readableBytes - Self.prefixBytes }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeReadableBytes { try body(UnsafeRawBufferPointer(rebasing: $0.dropFirst(Self.prefixBytes))) }
    }

    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeMutableReadableBytes {
            try body(UnsafeMutableRawBufferPointer(rebasing: $0.dropFirst(Self.prefixBytes)))
        }
    }

    static func encode(_ message: some Message) throws(GRPCStatus) -> ByteBuffer {
        do {
            let framed: FramedMessage = try message.serializedBytes()
            return framed.buffer
        } catch {
            throw GRPCStatus(.internalError, "the message could not be encoded: \(error)")
        }
    }
}

extension ByteBuffer {
    /// Writes the prefix of a message of so many bytes, which are to follow.
    package mutating func writeFramed(count: Int) {
        writeInteger(UInt8(0))
        writeInteger(UInt32(count))
    }

    /// Reads a message out of all that is readable.
    package func decoded<M: Message>(as type: M.Type = M.self) throws(GRPCStatus) -> M {
        do {
            return try M(serializedBytes: ReadableBytes(buffer: self))
        } catch {
            throw GRPCStatus(.internalError, "grpc: error unmarshalling request: \(error)")
        }
    }
}

/// What SwiftProtobuf reads a buffer through, without a copy.
private struct ReadableBytes: SwiftProtobufContiguousBytes {
    var buffer: ByteBuffer

    init(buffer: ByteBuffer) { self.buffer = buffer }
    init(repeating: UInt8, count: Int) { buffer = ByteBuffer(repeating: repeating, count: count) }
    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 { buffer = ByteBuffer(bytes: sequence) }

    var count: Int { buffer.readableBytes }
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeReadableBytes(body)
    }
    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeMutableReadableBytes(body)
    }
}

/// Cuts the bytes of one direction of a stream into messages.
struct MessageReader {
    private var pending = Unread()

    /// Bytes kept because their message is not whole.
    var pendingBytes: Int { pending.count }
    var isEmpty: Bool { pending.count == 0 }
    var keptBytes: Int { pending.keptBytes }

    mutating func append(_ buffer: ByteBuffer) { pending.append(buffer) }

    /// All messages of what came were taken.
    mutating func settle() { pending.settle() }

    /// The next whole message, nil when there is none yet.
    /// - Throws: when it is compressed, or larger than `bytesMax`: what grpc-go says then.
    mutating func next(bytesMax: Int) throws(GRPCStatus) -> ByteBuffer? {
        guard pending.count >= FramedMessage.prefixBytes else { return nil }
        let start = pending.bytes.readerIndex
        let flag = pending.bytes.getInteger(at: start, as: UInt8.self) ?? 0
        let length = Int(pending.bytes.getInteger(at: start + 1, as: UInt32.self) ?? 0)
        guard flag == 0 else {
            throw GRPCStatus(.unimplemented, "grpc: compressed messages are not supported; send with grpc-encoding identity")
        }
        guard length <= bytesMax else {
            throw GRPCStatus(.resourceExhausted, "grpc: received message larger than max (\(length) vs. \(bytesMax))")
        }
        guard pending.count >= FramedMessage.prefixBytes + length else { return nil }
        pending.skip(FramedMessage.prefixBytes)
        return pending.read(length)
    }
}
