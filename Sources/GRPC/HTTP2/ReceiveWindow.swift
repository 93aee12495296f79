/// How much the other side may still send, of a connection or of a stream (RFC 9113 §5.2).
struct ReceiveWindow {
    let bytes: Int
    private(set) var left: Int

    init(bytes: Int) {
        self.bytes = bytes
        left = bytes
    }

    /// False when that is more than was allowed.
    mutating func take(_ bytes: Int) -> Bool {
        left -= bytes
        return left >= 0
    }

    /// What to give back, once half of it was used; nil: nothing yet.
    mutating func credit() -> Int? {
        guard left <= bytes / 2 else { return nil }
        defer { left = bytes }
        return bytes - left
    }
}
