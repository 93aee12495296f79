import Host

/// Holds back what tells others of a commit as long as the next entries, which tell of it as well, are likely to follow at once: for
/// one who writes one thing after the other that is a third of all messages. A member that waits for an answer of its own is told at
/// once, and whatever else is said to a member takes along what is held for it.
struct HeldNotices {
    static let waitMax = Duration.microseconds(250)

    private var held: [PeerMessage] = []
    /// When the first of them came.
    private var heldSince: Instant?
    /// When notices last came, held or not.
    private var cameAt: Instant?
    /// Entries followed in time when they last came.
    private var expectsMore = false
    /// Members that wait for an answer, and the last entry that may be theirs.
    private var askers: [UInt64: UInt64] = [:]

    /// How long somebody may still sleep before `due` is asked for; nil: as long as he likes.
    func patience(_ now: Instant) -> Duration? {
        guard let heldSince, !held.isEmpty else { return nil }
        return max(.zero, heldSince + Self.waitMax - now)
    }

    /// Members that sent proposals or asked to read, which was looked at now, and the log's end after that.
    mutating func note(_ members: [UInt64], last: UInt64) {
        for member in members { askers[member] = last }
    }

    /// What is sent of what a step says. A notice that entries follow to the same member is told by them; those before it were made when
    /// less was committed.
    mutating func pass(_ messages: [PeerMessage], _ now: Instant) -> [PeerMessage] {
        guard messages.contains(where: \.isNotice) else { return join(messages, now) }
        var sent: [PeerMessage] = []
        for (at, message) in messages.enumerated() {
            if !message.isNotice {
                sent += join([message], now)
            } else if !messages[(at + 1)...].contains(where: { $0.to == message.to && $0.isAppend }) {
                sent += hold([message], now)
            }
        }
        return sent
    }

    /// What is sent, with what goes before it.
    mutating func join(_ messages: [PeerMessage], _ now: Instant) -> [PeerMessage] {
        guard let cameAt else { return messages }
        var all: [PeerMessage] = []
        for message in messages {
            if message.isAppend, now - cameAt < Self.waitMax { expectsMore = true }
            if let at = held.firstIndex(where: { $0.to == message.to }) {
                let notice = held.remove(at: at)
                if !message.isAppend { all.append(notice) }
            }
            all.append(message)
        }
        return all
    }

    /// - Returns: what must not wait.
    mutating func hold(_ notices: [PeerMessage], _ now: Instant) -> [PeerMessage] {
        cameAt = now
        if held.isEmpty { heldSince = now }
        var urgent: [PeerMessage] = []
        for notice in notices {
            held.removeAll { $0.to == notice.to }
            let isAwaited = askers[notice.to] != nil
            if let last = askers[notice.to], let commit = notice.commit, commit >= last { askers[notice.to] = nil }
            if expectsMore, !isAwaited { held.append(notice) } else { urgent.append(notice) }
        }
        return urgent
    }

    /// What was held for long enough, or all of it when `isLast`.
    mutating func due(_ now: Instant, isLast: Bool) -> [PeerMessage] {
        guard let heldSince, !held.isEmpty, isLast || now - heldSince >= Self.waitMax else { return [] }
        expectsMore = false
        defer { held = [] }
        return held
    }
}

extension PeerMessage {
    /// Its sender waits for a commit: of what it proposes, or of what it is to read.
    var asks: Bool {
        guard case .raft(let message) = body else { return false }
        return switch message.body {
        case .forward, .readRequest: true
        default: false
        }
    }

    /// Or asks where the logs agree; it tells of the commit in any case.
    fileprivate var isAppend: Bool {
        guard case .raft(let message) = body, case .append = message.body else { return false }
        return true
    }

    /// It tells of a commit and of nothing else.
    var isNotice: Bool { commit != nil }

    fileprivate var commit: UInt64? {
        guard case .raft(let message) = body, case .commit(let index) = message.body else { return nil }
        return index
    }
}
