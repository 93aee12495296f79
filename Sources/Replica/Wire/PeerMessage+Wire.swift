import NIOCore
import Raft

/// Numbers are little-endian; a position is index 8, term 8; a boolean is one byte, 0 or 1.
///
///      0  1  version of this format, 1
///      1  1  kind: 1 to 15 Raft (see `Message+Wire`), 32 chunk, 33 answer to a chunk, 34 a full disk
///      2  8  from
///     10  8  to
///     18     as the kind has it, to the end: nothing may follow
///
/// Kind 32, a part of a snapshot:
///
///     18  8  id, the digest of the whole file
///     26  8  term
///     34  8  bytes of the whole file
///     42  8  offset of this part
///     50  4  crc32c of this part
///     54  4  length n of this part
///     58  n  the part
///     …      head: position 16, configuration (see `SnapshotHead`)
///
/// Kind 33:
///
///     18  8  id
///     26  1  verdict: 0 next, 1 done, 2 busy, 3 failed
///     27  8  next offset; 0 for the others
///
/// Kind 34 has nothing more.
///
/// The same message has one encoding only.
extension PeerMessage {
    private static let version: UInt8 = 1
    static let chunkKind: UInt8 = 32
    static let chunkAnswerKind: UInt8 = 33
    static let fullKind: UInt8 = 34

    package var encoded: [UInt8] {
        var buffer = ByteBufferAllocator().buffer(capacity: 256)
        write(to: &buffer)
        return buffer.readBytes(length: buffer.readableBytes) ?? []
    }

    /// Nil when the bytes are no message, whatever they are.
    package init?(decoding bytes: [UInt8]) {
        self.init(ByteBuffer(bytes: bytes))
    }

    init?(_ buffer: ByteBuffer) {
        var buffer = buffer
        guard let (version, kind) = buffer.readMultipleIntegers(as: (UInt8, UInt8).self), version == Self.version,
            let (from, to) = buffer.readMultipleIntegers(endianness: .little, as: (UInt64, UInt64).self)
        else { return nil }
        let body: Body?
        switch kind {
        case Self.chunkKind: body = SnapshotChunk(&buffer).map(Body.chunk)
        case Self.chunkAnswerKind: body = SnapshotChunkAnswer(&buffer).map(Body.chunkAnswer)
        case Self.fullKind: body = .full
        default: body = Message(&buffer, kind: kind, from: from, to: to).map(Body.raft)
        }
        guard let body, buffer.readableBytes == 0 else { return nil }
        self.init(from: from, to: to, body: body)
    }

    func write(to buffer: inout ByteBuffer) {
        let kind =
            switch body {
            case .raft(let message): message.wireKind
            case .chunk: Self.chunkKind
            case .chunkAnswer: Self.chunkAnswerKind
            case .full: Self.fullKind
            }
        buffer.writeMultipleIntegers(Self.version, kind)
        buffer.writeMultipleIntegers(from, to, endianness: .little)
        switch body {
        case .raft(let message):
            precondition(message.from == from && message.to == to, "a message was put into another one's envelope")
            message.write(to: &buffer)
        case .chunk(let chunk): chunk.write(to: &buffer)
        case .chunkAnswer(let answer): answer.write(to: &buffer)
        case .full: break
        }
    }
}

extension ByteBuffer {
    /// - Returns: the bytes of the frame's payload.
    @discardableResult mutating func writeFrame(_ message: PeerMessage) -> Int {
        writeFrame(.message) { message.write(to: &$0) }
    }
}

extension SnapshotChunk {
    fileprivate init?(_ buffer: inout ByteBuffer) {
        guard
            let (id, term, total, offset) = buffer.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64).self),
            let (sum, length) = buffer.readMultipleIntegers(endianness: .little, as: (UInt32, UInt32).self),
            let bytes = buffer.readBytes(length: Int(length)), let head = SnapshotHead(&buffer)
        else { return nil }
        self.init(id: id, head: head, term: term, total: total, offset: offset, bytes: bytes, crc32c: sum)
    }

    fileprivate func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(id, term, total, offset, endianness: .little)
        buffer.writeMultipleIntegers(crc32c, UInt32(bytes.count), endianness: .little)
        buffer.writeBytes(bytes)
        head.write(to: &buffer)
    }
}

extension SnapshotChunkAnswer {
    fileprivate init?(_ buffer: inout ByteBuffer) {
        guard let id: UInt64 = buffer.readInteger(endianness: .little), let verdict: UInt8 = buffer.readInteger(),
            let offset: UInt64 = buffer.readInteger(endianness: .little)
        else { return nil }
        switch (verdict, offset) {
        case (0, _): self.init(id: id, verdict: .next(offset))
        case (1, 0): self.init(id: id, verdict: .done)
        case (2, 0): self.init(id: id, verdict: .busy)
        case (3, 0): self.init(id: id, verdict: .failed)
        default: return nil
        }
    }

    fileprivate func write(to buffer: inout ByteBuffer) {
        let (code, offset): (UInt8, UInt64) =
            switch verdict {
            case .next(let offset): (0, offset)
            case .done: (1, 0)
            case .busy: (2, 0)
            case .failed: (3, 0)
            }
        buffer.writeInteger(id, endianness: .little)
        buffer.writeInteger(code)
        buffer.writeInteger(offset, endianness: .little)
    }
}
