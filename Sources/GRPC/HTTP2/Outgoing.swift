import DequeModule
import NIOCore

/// What of one stream waits to be written, and how much the client takes of it.
struct SendQueue {
    /// What the client takes of this stream; below zero when it has made it smaller (RFC 9113 §6.9.2).
    var window: Int
    var hasHead = false
    /// Comes after all that waits.
    var end: GRPCStatus?
    /// It stands in the row of those that could write if the connection could.
    var isInRow = false
    var pieces: Deque<ByteBuffer> = []

    init(window: Int) { self.window = window }

    var bytes: Int { pieces.reduce(0) { $0 + $1.readableBytes } }
}

/// The bytes of one connection on their way to the socket. What several calls say between two flushes leaves as one buffer: many small
/// pieces would each cost the channel a place in its queue, the kernel an entry of its list, and TLS a record.
struct Outgoing {
    /// What the socket has taken, and what that means to whom.
    struct Batch {
        var buffer: ByteBuffer
        /// Of messages, by their calls; what nobody minds the call of, together.
        var released: [(call: ServerCall, bytes: Int)] = []
        var releasedBytes = 0
        /// Of frames that are no data; and how many of them are no part of an answer.
        var frameBytes = 0, frames = 0
    }

    /// What the client takes of all streams together.
    var window = HTTP2.windowAtFirst
    private(set) var answers = AnswerHeaders()
    private var batch = Batch(buffer: ByteBuffer())
    private var capacity = 1024
    /// Given to the socket and not taken by it.
    private var unwrittenBytes = 0, unwrittenFrames = 0

    /// So much may be on its way at once: who waits longer, waits where others can still go first.
    private static let unwrittenMax = 512 * 1024
    /// Frames that are no part of an answer, and that a client which does not read has made us write.
    private static let framesMax = 10_000

    var isFull: Bool { unwrittenBytes + batch.buffer.readableBytes >= Self.unwrittenMax }
    var isFlooded: Bool { unwrittenFrames + batch.frames > Self.framesMax }
    var isEmpty: Bool { batch.buffer.readableBytes == 0 }
    /// All that was written here is the socket's.
    var isWritten: Bool { isEmpty && unwrittenBytes == 0 }

    // MARK: frames

    /// A frame that is no data, and that no window holds back.
    mutating func write(_ frame: (inout ByteBuffer) -> Void) {
        batch.frames += 1
        writeUncounted(frame)
    }

    /// Of an answer: it is watched as bytes, as much as was asked for.
    private mutating func writeUncounted(_ frame: (inout ByteBuffer) -> Void) {
        reserve(64)
        let before = batch.buffer.writerIndex
        frame(&batch.buffer)
        batch.frameBytes += batch.buffer.writerIndex - before
    }

    mutating func writePlain(_ stream: UInt32, status: String) {
        batch.frames += 1
        writeHeaders { $0.writePlain(stream, status: status, to: &$1) }
    }

    private mutating func writeHeaders(_ body: (inout AnswerHeaders, inout ByteBuffer) -> Void) {
        var answers = answers
        writeUncounted { body(&answers, &$0) }
        self.answers = answers
    }

    mutating func limitTable(_ bytes: Int) { answers.limitTable(bytes) }

    /// Writes as much of a message as the windows and the socket let through.
    mutating func write(_ message: inout ByteBuffer, of call: ServerCall, _ queue: inout SendQueue) {
        while message.readableBytes > 0, !isFull {
            let count = min(message.readableBytes, HTTP2.frameBytesMax, window, queue.window)
            guard count > 0 else { return }
            reserve(count + 64)
            if !queue.hasHead {
                queue.hasHead = true
                writeHeaders { $0.writeHead(call.stream, to: &$1) }
            }
            batch.buffer.writeFrame(.data, stream: call.stream, length: count)
            message.readWithUnsafeReadableBytes { bytes in
                batch.buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                return count
            }
            window -= count
            queue.window -= count
            if call.isUnary { batch.releasedBytes += count } else { release(call, count) }
        }
    }

    /// The same of what waits in the queue.
    mutating func write(_ queue: inout SendQueue, of call: ServerCall) {
        while var piece = queue.pieces.popFirst() {
            write(&piece, of: call, &queue)
            guard piece.readableBytes == 0 else { return queue.pieces.prepend(piece) }
        }
    }

    private mutating func release(_ call: ServerCall, _ bytes: Int) {
        if let last = batch.released.last, last.call === call {
            batch.released[batch.released.count - 1].bytes += bytes
        } else {
            batch.released.append((call, bytes))
        }
    }

    /// Writes the end of a call of which nothing waits any more.
    /// - Parameter isClientDone: else it is told to stop sending.
    mutating func writeEnd(_ call: ServerCall, _ status: GRPCStatus, hasHead: Bool, isClientDone: Bool) {
        writeHeaders { $0.writeEnd(call.stream, status, hasHead: hasHead, to: &$1) }
        if !isClientDone { writeUncounted { $0.writeReset(stream: call.stream, .noError) } }
    }

    private mutating func reserve(_ bytes: Int) {
        if batch.buffer.capacity == 0 { batch.buffer = ByteBufferAllocator().buffer(capacity: max(capacity, bytes)) }
    }

    // MARK: to the socket

    /// All that was written, to be given to the socket; `taken` is to be told when it has it.
    mutating func takeBatch() -> Batch {
        var taken = Batch(buffer: ByteBuffer())
        swap(&taken, &batch)
        // The next is likely about as large.
        capacity = max(256, (capacity + taken.buffer.readableBytes) / 2)
        unwrittenBytes += taken.buffer.readableBytes
        unwrittenFrames += taken.frames
        return taken
    }

    mutating func taken(_ bytes: Int, _ frames: Int) {
        unwrittenBytes -= bytes
        unwrittenFrames -= frames
    }
}
