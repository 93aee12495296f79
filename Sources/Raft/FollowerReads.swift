/// Reads that a follower asks its leader about; one question is open at a time, and stands for all that came before it.
struct FollowerReads: Sendable {
    /// The open question; 0 for none.
    var request: UInt64 = 0
    var asked: [UInt64] = []
    var queued: [UInt64] = []
}
