import NIOCore

/// Bytes that came and are not used yet. No more of them is kept than they are: not what was read from the socket with them, and not
/// what was used before them.
struct Unread {
    private(set) var bytes = ByteBuffer()
    /// `bytes` shares its memory with nobody.
    private var isOwn = false

    var count: Int { bytes.readableBytes }
    /// What they take of memory.
    var keptBytes: Int { bytes.storageCapacity }

    mutating func append(_ buffer: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = buffer
            isOwn = false
        } else {
            bytes.writeImmutableBuffer(buffer)
        }
    }

    mutating func read(_ count: Int) -> ByteBuffer? { bytes.readSlice(length: count) }
    mutating func skip(_ count: Int) { bytes.moveReaderIndex(forwardBy: count) }

    /// All was used that can be: to be called before more is waited for.
    mutating func settle() {
        if bytes.readableBytes == 0 {
            if bytes.capacity > 0 { bytes = ByteBuffer() }
        } else if !isOwn || bytes.readerIndex > 0 {
            bytes = ByteBuffer(bytes: bytes.readableBytesView)
            isOwn = true
        }
    }
}
