/// The leader's side of replication (dissertation §3.5, §10.2).
extension Raft {
    /// New entries to all members; to those that are level without looking into the log.
    mutating func broadcast(_ entries: [Entry], cost: Int, _ effects: inout Effects) {
        let first = entries[0].index
        let before = Position(index: first - 1, term: log.term(at: first - 1) ?? 0)
        for at in members.ids.indices where members.ids[at] != id {
            guard members.progress[at].isLevel(with: first, options), cost <= options.appendBytesMax else {
                send(toPlace: at, evenEmpty: false, &effects)
                continue
            }
            sendAppend(toPlace: at, before, entries, cost: cost, &effects)
        }
    }

    /// What the member needs and may be sent now.
    /// - Parameter evenEmpty: without entries, too: asks whether the logs agree and tells the commit.
    mutating func send(toPlace at: Int, evenEmpty: Bool, _ effects: inout Effects) {
        var mustSend = evenEmpty
        while true {
            let (state, next) = (members.progress[at].state, members.progress[at].next)
            let isFull = members.progress[at].isFull(options)
            switch state {
            case .snapshot: return
            case .probe: if members.progress[at].isPaused { return }
            case .replicate: if !mustSend, isFull || next > log.last.index { return }
            }
            guard next > log.base.index, let term = log.term(at: next - 1) else {
                return wantSnapshot(forPlace: at, &effects)
            }
            // What is asked again carries nothing: the entries of the first question may well be on their way.
            let isRepeat = state == .probe && members.progress[at].probeEnd != .max
            let mayCarry = next <= log.last.index && !isRepeat && !(state == .replicate && isFull)
            let entries = mayCarry ? log.entries(from: next, costMax: options.appendBytesMax) : []
            let cost = entries.reduce(0) { $0 + $1.cost }
            sendAppend(toPlace: at, Position(index: next - 1, term: term), entries, cost: cost, &effects)
            mustSend = false
        }
    }

    private mutating func sendAppend(
        toPlace at: Int, _ previous: Position, _ entries: [Entry], cost: Int, _ effects: inout Effects
    ) {
        let body = Message.Body.append(previous: previous, entries: entries, commit: commit)
        effects.send.append(Message(from: id, to: members.ids[at], term: hardState.term, body: body))
        members.progress[at].sentCommit = commit
        if members.progress[at].state == .probe {
            members.progress[at].isPaused = true
            members.progress[at].askedTick = now
            members.progress[at].probeEnd = min(members.progress[at].probeEnd, entries.last?.index ?? previous.index)
        } else if let last = entries.last {
            members.progress[at].next = last.index + 1
            members.progress[at].inflight.add(last: last.index, bytes: cost)
        }
    }

    private mutating func wantSnapshot(forPlace at: Int, _ effects: inout Effects) {
        guard members.progress[at].isActive else {
            members.progress[at].isPaused = true
            return
        }
        members.progress[at].awaitSnapshot(after: applied)
        effects.snapshotWanted.append(members.ids[at])
    }

    mutating func appendAnswered(_ member: UInt64, _ matched: UInt64, _ effects: inout Effects) {
        guard role == .leader, let at = members.place(of: member), matched <= log.last.index else { return }
        members.progress[at].hear()
        acknowledge(at, matched, &effects)
        settle(&effects)
        if transferee == member { finishTransfer(&effects) }
    }

    private mutating func acknowledge(_ at: Int, _ matched: UInt64, _ effects: inout Effects) {
        let rose = members.progress[at].acknowledge(matched, round: leading.round)
        let match = members.progress[at].match
        switch members.progress[at].state {
        case .probe where matched == match && matched >= members.progress[at].probeEnd: members.progress[at].replicate()
        case .snapshot where match >= log.base.index: members.progress[at].replicate()
        case .replicate: if !rose { return }
        case .probe, .snapshot: return
        }
        send(toPlace: at, evenEmpty: false, &effects)
    }

    mutating func appendRefused(_ member: UInt64, _ rejected: UInt64, _ hint: Position, _ effects: inout Effects) {
        guard role == .leader, let at = members.place(of: member) else { return }
        members.progress[at].hear()
        let match = members.progress[at].match
        switch members.progress[at].state {
        case .snapshot: return
        case .replicate:
            guard rejected > match else { return }
            // Something on the way was lost: from what is certain.
            probe(at)
        case .probe:
            guard rejected == members.progress[at].next - 1 else { return }
            let agreed = log.lastPlace(atMost: hint.index, term: hint.term).index
            let next = max(1, min(rejected, agreed + 1))
            // It forgot what it had acknowledged: its disk was repaired.
            members.progress[at].match = min(match, next - 1)
            members.progress[at].probe(from: next)
        }
        send(toPlace: at, evenEmpty: true, &effects)
    }

    mutating func heartbeatAnswered(_ member: UInt64, _ round: UInt64, _ matched: UInt64, _ effects: inout Effects) {
        guard role == .leader, let at = members.place(of: member), round <= leading.round, matched <= last.index else { return }
        members.progress[at].hear()
        let askedRecently = members.progress[at].askedTick.map { now - $0 < UInt64(options.heartbeatTicks) } ?? false
        if !askedRecently { members.progress[at].isPaused = false }
        if round > members.progress[at].round {
            members.progress[at].round = round
            confirmRounds(&effects)
        }
        if matched > members.progress[at].match {
            acknowledge(at, matched, &effects)
            settle(&effects)
        } else {
            wake(at, round, matched, &effects)
        }
        if transferee == member { finishTransfer(&effects) }
        resignIfDue(member, round, matched, &effects)
    }

    /// Goes on with a member that is there and has nothing new.
    private mutating func wake(_ at: Int, _ round: UInt64, _ matched: UInt64, _ effects: inout Effects) {
        let one = members.progress[at]
        let patience = UInt64(2 * options.electionTicks)
        if matched < one.match, round > one.matchRound, one.state == .replicate {
            // It restarted, and does not know yet how much of its log is the leader's.
            probe(at)
        } else if one.state == .snapshot, let delivered = one.snapshotDelivered, now - delivered > patience {
            probe(at)
        }
        let mustAsk = members.progress[at].state == .probe || members.progress[at].isStalled
        members.progress[at].isStalled = false
        send(toPlace: at, evenEmpty: mustAsk, &effects)
    }

    /// Tells the commit to those who would not hear of it with the next entries.
    mutating func spreadCommit(_ effects: inout Effects) {
        for at in members.ids.indices where members.ids[at] != id {
            guard members.progress[at].awaits(commit: commit, isAll: commit == log.last.index) else { continue }
            say(.commit(commit), to: members.ids[at], &effects)
            members.progress[at].sentCommit = commit
        }
    }

    /// Asks anew where the logs agree: from what is certain on, as far as that is kept. A member of which nothing is certain may have all
    /// of it; if not, it says so, and is given a snapshot then.
    mutating func probe(_ at: Int) { members.progress[at].probe(from: max(members.progress[at].match, log.base.index) + 1) }

    mutating func snapshotSent(to member: UInt64, _ succeeded: Bool, _ effects: inout Effects) {
        guard role == .leader, let at = members.place(of: member), members.progress[at].state == .snapshot else { return }
        if succeeded {
            // Its answer to the snapshot's place will come when it is durable there.
            members.progress[at].snapshotDelivered = now
        } else {
            probe(at)
            members.progress[at].isPaused = true
            members.progress[at].askedTick = now
        }
    }
}

extension Members {
    mutating func acknowledge(_ id: UInt64, _ matched: UInt64, round: UInt64) {
        guard let at = place(of: id) else { return }
        _ = progress[at].acknowledge(matched, round: round)
    }
}
