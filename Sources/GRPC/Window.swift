import NIOHTTP2

extension NIOHTTP2WindowUpdatedEvent {
    /// What to give the other side of a connection's window; nil: nothing now. All that came has used it, what was dropped with its
    /// stream as well: a client whose calls are refused, or given up, while it still sends must not use it up for good (RFC 9113, section 5.2).
    /// - Parameter bytes: the window that it is to have.
    func credit(of bytes: Int) -> Int? {
        guard streamID == .rootStream, let left = inboundWindowSize, bytes - left >= bytes / 2 else { return nil }
        return bytes - left
    }
}
