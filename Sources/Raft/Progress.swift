/// What a leader knows of one member.
package struct Progress: Sendable {
    package enum State: String, Hashable, Sendable {
        /// One message at a time, until it is known where the logs agree.
        case probe
        /// Entries follow each other without waiting for answers.
        case replicate
        /// The entries that it needs are not kept any more.
        case snapshot
    }

    /// The log is known to be equal and durable through here.
    package internal(set) var match: UInt64 = 0
    /// The first entry to send.
    package internal(set) var next: UInt64
    package internal(set) var state = State.probe
    /// It spoke since the last check of the quorum.
    private(set) var isHeard = false
    private var wasHeard = false
    /// It spoke since the last check of the quorum but one: also right after a check it is known who is there.
    package var isActive: Bool { isHeard || wasHeard }
    /// Probing: the question was asked.
    var isPaused = false
    /// Probing: the tick at which it was asked last, or a snapshot failed. It is asked again no sooner than heartbeats are due,
    /// however many rounds of reads are answered meanwhile: questions on the way put off the answer.
    var askedTick: UInt64?
    /// Probing: the end of what the first question carried, `.max` before it was asked; where it was asked again, its place. Only
    /// who has that is asked no more: on a network that overtakes, an answer to something earlier says nothing of it, and each
    /// message sent on that word would be refused again.
    var probeEnd = UInt64.max
    /// The highest commit index that was sent with entries or alone.
    var sentCommit: UInt64 = 0
    var inflight = Inflight()
    /// The last heartbeat round that it answered.
    var round: UInt64 = 0
    /// The round that was the last when `match` rose: who answers a later one knows of that match, or forgot it.
    var matchRound: UInt64 = 0
    /// `match` at the last tick that sent heartbeats.
    var matchAtHeartbeat: UInt64 = 0
    /// Nothing moved between two heartbeats while entries were on their way: perhaps they are lost.
    var isStalled = false
    /// What was applied when the snapshot was asked for: entries after it must be kept.
    var snapshotIndex: UInt64 = 0
    /// The tick at which the whole snapshot had been delivered.
    var snapshotDelivered: UInt64?

    init(next: UInt64) {
        self.next = next
    }

    mutating func hear() { isHeard = true }

    /// The quorum was checked, and a new count begins.
    mutating func beginCount() { (wasHeard, isHeard) = (isHeard, false) }

    /// Whether it is still there must be heard anew.
    mutating func loseSight() { (wasHeard, isHeard) = (false, false) }

    mutating func probe(from next: UInt64) {
        state = .probe
        self.next = next
        isPaused = false
        askedTick = nil
        probeEnd = .max
        isStalled = false
        inflight.forget()
    }

    mutating func replicate() {
        state = .replicate
        next = match + 1
        isPaused = false
        inflight.forget()
    }

    mutating func awaitSnapshot(after index: UInt64) {
        state = .snapshot
        snapshotIndex = index
        snapshotDelivered = nil
        inflight.forget()
    }

    /// - Returns: whether `match` rose.
    mutating func acknowledge(_ matched: UInt64, round: UInt64) -> Bool {
        next = max(next, matched + 1)
        inflight.acknowledge(through: matched)
        guard matched > match else { return false }
        match = matched
        matchRound = round
        isStalled = false
        return true
    }

    /// Whether entries from `first` on are the next that it needs, and may be sent.
    func isLevel(with first: UInt64, _ options: Raft.Options) -> Bool {
        state == .replicate && next == first && !isFull(options)
    }

    /// Whether it would not hear of the commit soon: nothing is on its way, to be answered and followed, or all is committed
    /// and nothing follows by itself.
    func awaits(commit: UInt64, isAll: Bool) -> Bool {
        state == .replicate && sentCommit < commit && (isAll || inflight.isEmpty)
    }

    func isFull(_ options: Raft.Options) -> Bool {
        inflight.count >= options.inflightMessagesMax || inflight.bytes >= options.inflightBytesMax
    }
}
