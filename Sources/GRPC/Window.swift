import NIOHTTP2

/// What the other side may send ahead on a connection. All that came has used it, what was dropped with its stream as well: a client whose
/// calls are refused, or given up, while it still sends must not use it up for good (RFC 9113, section 5.2).
struct ConnectionWindow {
    let bytes: Int
    /// It was opened, and what is told may be from before.
    private var isOpening = false

    init(bytes: Int) { self.bytes = bytes }

    /// What to give now; nil: nothing.
    mutating func credit(for event: NIOHTTP2WindowUpdatedEvent) -> Int? {
        guard event.streamID == .rootStream, let left = event.inboundWindowSize else { return nil }
        guard left <= bytes / 2 else {
            isOpening = false
            return nil
        }
        guard !isOpening else { return nil }
        isOpening = true
        return bytes - left
    }
}
