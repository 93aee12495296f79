import NIOCore

/// Cuts what a client sends into frames, and refuses what no frame may be (RFC 9113 §3.4, §4, §6). Knows nothing of streams but their
/// numbers. A frame of data is handed on in the pieces it comes in, so that of a frame that is not whole no more is kept than a header block.
struct FrameReader {
    enum Frame: Equatable {
        /// - `bytes`: of the window that it used, padding included.
        case data(UInt32, ByteBuffer, bytes: Int, isLast: Bool)
        /// A whole block, with what it was continued by.
        case headers(UInt32, block: ByteBuffer, isLast: Bool)
        case reset(UInt32)
        case settings(ByteBuffer)
        case ping(UInt64)
        case goAway
        case windowUpdate(UInt32, Int)
        /// An acknowledgement, a priority, or of a kind nobody knows: it says nothing to a server.
        case nothing
    }
    private struct OpenData {
        var stream: UInt32
        var left: Int
        var padding: Int
        /// Used already by the length of the padding.
        var bytes: Int
        var isLast: Bool
        var isEmpty: Bool { left == 0 && padding == 0 }
    }
    private struct OpenBlock {
        var stream: UInt32
        var bytes: ByteBuffer
        var isLast: Bool
        var continuations = 0
    }

    private var pending = Unread()
    private var hasPreface = false
    /// The first frame has come.
    private var hasSettings = false
    private var data: OpenData?
    private var block: OpenBlock?

    /// A longer block than the list of headers that it may make (each of which counts 32 bytes more than it has, RFC 7541 §4.1).
    private static let blockBytesMax = 32 * 1024
    private static let continuationsMax = 8

    mutating func append(_ buffer: ByteBuffer) { pending.append(buffer) }

    /// All frames of what came were taken.
    mutating func settle() { pending.settle() }

    /// Something has begun that is of no use before it is whole: the beginning itself, a frame that is no data, a header block.
    var isWithinFrame: Bool { !hasSettings || pending.count > 0 || block != nil }
    var keptBytes: Int { pending.keptBytes + (block?.bytes.storageCapacity ?? 0) }

    /// The next frame; nil: there is none yet.
    mutating func next() throws(HTTP2Fault) -> Frame? {
        if !hasPreface {
            guard pending.count >= HTTP2.preface.count else { return nil }
            guard pending.bytes.readableBytesView.starts(with: HTTP2.preface) else { throw HTTP2Fault(.protocolError, "no preface") }
            pending.skip(HTTP2.preface.count)
            hasPreface = true
        }
        if data != nil { return nextPiece() }
        guard let head = FrameHead(pending.bytes) else { return nil }
        try check(head)
        if head.type == FrameType.data.rawValue {
            guard try begin(head) else { return nil }
            return nextPiece()
        }
        guard pending.count >= FrameHead.bytes + head.length else { return nil }
        pending.skip(FrameHead.bytes)
        var content = pending.read(head.length) ?? ByteBuffer()
        return try read(head, &content)
    }

    // MARK: checks

    private mutating func check(_ head: FrameHead) throws(HTTP2Fault) {
        guard head.length <= HTTP2.frameBytesMax else { throw HTTP2Fault(.frameSizeError, "a frame of \(head.length) bytes") }
        let type = FrameType(rawValue: head.type)
        if !hasSettings {
            guard type == .settings, !head.flags.contains(.acknowledge) else { throw HTTP2Fault(.protocolError, "the first frame is not SETTINGS") }
            hasSettings = true
        }
        if let block {
            guard type == .continuation, head.stream == block.stream else { throw HTTP2Fault(.protocolError, "a header block is not continued") }
        }
        switch type {
        case .data, .headers, .priority, .resetStream:
            guard head.stream != 0 else { throw HTTP2Fault(.protocolError, "a frame of a stream without one") }
        case .continuation:
            guard block != nil else { throw HTTP2Fault(.protocolError, "a continuation of nothing") }
        case .settings, .ping, .goAway:
            guard head.stream == 0 else { throw HTTP2Fault(.protocolError, "a frame of the connection with a stream") }
        case .pushPromise: throw HTTP2Fault(.protocolError, "a client does not push")
        case .windowUpdate, nil: break
        }
        let isRightSize = switch type {
        case .priority: head.length == 5
        case .resetStream, .windowUpdate: head.length == 4
        case .settings: head.length % 6 == 0 && (head.length == 0 || !head.flags.contains(.acknowledge))
        case .ping: head.length == 8
        case .goAway: head.length >= 8
        default: true
        }
        guard isRightSize else { throw HTTP2Fault(.frameSizeError, "a frame of \(head.length) bytes that has another size") }
    }

    // MARK: data

    /// False when the length of the padding has not come yet.
    private mutating func begin(_ head: FrameHead) throws(HTTP2Fault) -> Bool {
        var open = OpenData(stream: head.stream, left: head.length, padding: 0, bytes: 0, isLast: head.flags.contains(.endStream))
        if head.flags.contains(.padded) {
            guard head.length > 0 else { throw HTTP2Fault(.frameSizeError, "a padded frame without a length of its padding") }
            guard let padding = pending.bytes.getInteger(at: pending.bytes.readerIndex + FrameHead.bytes, as: UInt8.self) else { return false }
            guard Int(padding) < head.length else { throw HTTP2Fault(.protocolError, "more padding than there is content") }
            open.padding = Int(padding)
            open.left = head.length - 1 - Int(padding)
            open.bytes = 1
        }
        pending.skip(FrameHead.bytes + open.bytes)
        data = open
        return true
    }

    private mutating func nextPiece() -> Frame? {
        guard var open = data else { return nil }
        let piece = pending.read(min(open.left, pending.count)) ?? ByteBuffer()
        open.left -= piece.readableBytes
        let padding = open.left == 0 ? min(open.padding, pending.count) : 0
        pending.skip(padding)
        open.padding -= padding
        let bytes = open.bytes + piece.readableBytes + padding
        open.bytes = 0
        guard bytes > 0 || open.isEmpty else { return nil }
        data = open.isEmpty ? nil : open
        return .data(open.stream, piece, bytes: bytes, isLast: open.isEmpty && open.isLast)
    }

    // MARK: all others

    private mutating func read(_ head: FrameHead, _ content: inout ByteBuffer) throws(HTTP2Fault) -> Frame? {
        switch FrameType(rawValue: head.type) {
        case .headers:
            let fields = try Self.fields(head, content)
            let isLast = head.flags.contains(.endStream)
            if head.flags.contains(.endHeaders) { return .headers(head.stream, block: fields, isLast: isLast) }
            block = OpenBlock(stream: head.stream, bytes: ByteBuffer(bytes: fields.readableBytesView), isLast: isLast)
            return .nothing
        case .continuation:
            guard var open = block else { return nil }
            open.bytes.writeImmutableBuffer(content)
            open.continuations += 1
            guard open.bytes.readableBytes <= Self.blockBytesMax, open.continuations <= Self.continuationsMax else {
                throw HTTP2Fault(.enhanceYourCalm, "a header block that does not end")
            }
            let isWhole = head.flags.contains(.endHeaders)
            block = isWhole ? nil : open
            return isWhole ? .headers(open.stream, block: open.bytes, isLast: open.isLast) : .nothing
        case .resetStream: return .reset(head.stream)
        case .settings: return head.flags.contains(.acknowledge) ? .nothing : .settings(content)
        case .ping: return head.flags.contains(.acknowledge) ? .nothing : .ping(content.readInteger() ?? 0)
        case .goAway: return .goAway
        case .windowUpdate: return .windowUpdate(head.stream, Int((content.readInteger(as: UInt32.self) ?? 0) & 0x7FFF_FFFF))
        case .data, .priority, .pushPromise, nil: return .nothing
        }
    }

    /// A HEADERS frame's part of the block, without padding and priority.
    private static func fields(_ head: FrameHead, _ content: ByteBuffer) throws(HTTP2Fault) -> ByteBuffer {
        var fields = content
        var padding = 0
        if head.flags.contains(.padded) { padding = Int(fields.readInteger(as: UInt8.self) ?? .max) }
        if head.flags.contains(.priority) {
            guard fields.readableBytes >= 5 else { throw HTTP2Fault(.frameSizeError, "a priority that is not whole") }
            fields.moveReaderIndex(forwardBy: 5)
        }
        guard let inner = fields.readSlice(length: max(0, fields.readableBytes - padding)), padding <= fields.readableBytes else {
            throw HTTP2Fault(.protocolError, "more padding than there is content")
        }
        return inner
    }
}
