import NIOCore

/// Whether it is worth to look for an answer instead of sleeping until it comes: as long as that is usually there in time.
struct Lingering {
    /// Enough for a write that this member makes durable alone. One that others must have, too, takes longer, and they need the
    /// processor that would be looked with.
    static let longest = TimeAmount.microseconds(250)
    /// After so many that came too late it is left.
    private static let creditMax = 4
    /// Then it is tried again for one of so many calls.
    private static let retryEvery = 64

    private var credit = creditMax
    private var skipped = 0

    mutating func isWorthIt() -> Bool {
        if credit > 0 { return true }
        skipped += 1
        guard skipped >= Self.retryEvery else { return false }
        skipped = 0
        return true
    }

    mutating func note(succeeded: Bool) { credit = succeeded ? Self.creditMax : max(0, credit - 1) }
}
