import DequeModule
import NIOCore

/// What waits to be written to one member on one lane, encoded and gathered into pieces as large as a socket
/// likes to take. Full, it forgets the oldest: Raft finds the gap, and what is newest says most.
struct Outbox {
    struct Piece {
        var bytes: ByteBuffer
        var messages: Int
        /// When its first message came.
        var since: NIODeadline
    }

    /// A piece takes no more messages once it has so many bytes.
    static let pieceBytes = 64 << 10
    private var pieces: Deque<Piece> = []
    private(set) var bytes = 0
    var bytesMax: Int

    private let frameBytesMax: Int

    init(bytesMax: Int, frameBytesMax: Int) {
        self.bytesMax = bytesMax
        self.frameBytesMax = frameBytesMax
    }

    var isEmpty: Bool { pieces.isEmpty }

    /// - Returns: how many messages were forgotten to make room; the message itself when no frame can hold it.
    mutating func put(_ message: PeerMessage, now: NIODeadline) -> Int {
        if pieces.last.map({ $0.bytes.readableBytes >= Self.pieceBytes }) ?? true {
            pieces.append(Piece(bytes: ByteBufferAllocator().buffer(capacity: 4096), messages: 0, since: now))
        }
        let at = pieces.index(before: pieces.endIndex)
        let before = pieces[at].bytes.writerIndex
        guard pieces[at].bytes.writeFrame(message) <= frameBytesMax else {
            pieces[at].bytes.moveWriterIndex(to: before)
            if pieces[at].messages == 0 { pieces.removeLast() }
            return 1
        }
        pieces[at].messages += 1
        bytes += pieces[at].bytes.writerIndex - before
        var forgotten = 0
        while bytes > bytesMax, pieces.count > 1, let oldest = take() { forgotten += oldest.messages }
        return forgotten
    }

    mutating func take() -> Piece? {
        guard let piece = pieces.popFirst() else { return nil }
        bytes -= piece.bytes.readableBytes
        return piece
    }

    /// Forgets what came before a moment; nil forgets all.
    /// - Returns: the number of messages.
    mutating func forget(before: NIODeadline? = nil) -> Int {
        var forgotten = 0
        while let first = pieces.first, before.map({ first.since < $0 }) ?? true, let piece = take() {
            forgotten += piece.messages
        }
        return forgotten
    }
}
