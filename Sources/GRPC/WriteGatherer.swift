import NIOCore

/// Copies what is written between two flushes into one buffer. HTTP/2 writes many small pieces (an answer is four), and each
/// would cost the channel a place in its queue, the kernel an entry of its list, and TLS a record. Stands before the socket
/// or TLS.
final class WriteGatherer: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// Larger pieces go on as they are.
    private static let copiedMax = 8 * 1024
    /// So much goes on without a flush.
    private static let gatheredMax = 64 * 1024
    private var gathered = ByteBuffer()
    /// Kept when what was gathered is written.
    private var written: EventLoopPromise<Void>?
    private var capacity = 1024

    func handlerRemoved(context: ChannelHandlerContext) {
        gathered = ByteBuffer()
        written?.fail(ChannelError.ioOnClosedChannel)
        written = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .byteBuffer(let piece) = unwrapOutboundIn(data), piece.readableBytes <= Self.copiedMax else {
            pass(context)
            return context.write(data, promise: promise)
        }
        if gathered.capacity == 0 { gathered = context.channel.allocator.buffer(capacity: max(capacity, piece.readableBytes)) }
        gathered.writeImmutableBuffer(piece)
        if let promise {
            if let written { written.futureResult.cascade(to: promise) } else { written = promise }
        }
        if gathered.readableBytes >= Self.gatheredMax { pass(context) }
    }

    func flush(context: ChannelHandlerContext) {
        pass(context)
        context.flush()
    }

    private func pass(_ context: ChannelHandlerContext) {
        guard gathered.readableBytes > 0 else { return }
        let (buffer, promise) = (gathered, written)
        // The next is likely about as large.
        capacity = max(1024, (capacity + buffer.readableBytes) / 2)
        gathered = ByteBuffer()
        written = nil
        context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: promise)
    }
}
