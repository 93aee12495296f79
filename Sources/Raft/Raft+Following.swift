/// The follower's side of replication (§5.3).
extension Raft {
    mutating func receiveAppend(_ previous: Position, _ entries: [Entry], _ theirs: UInt64, _ effects: inout Effects) {
        guard follows(previous, entries), !contradicts(previous, entries) else { return }
        let end = previous.index + UInt64(entries.count)
        // What is committed here equals the leader's log, kept or not.
        if previous.index > commit, !log.holds(previous) {
            let place = log.lastPlace(atMost: previous.index - 1, term: previous.term)
            let hint = place.index >= commit ? place : Position(index: commit, term: log.term(at: commit) ?? 0)
            return refuse(previous.index, hint, &effects)
        }
        if let at = entries.firstIndex(where: { $0.index > commit && log.term(at: $0.index) != $0.term }) {
            replace(with: at == 0 ? entries : Array(entries[at...]), &effects)
        }
        matched = max(matched, max(end, commit))
        learn(commit: theirs)
        owesAnswer = true
        if durable.index >= end { answerAppend(&effects) }
        settle(&effects)
    }

    /// Whether entries are what they claim to be: one after another, terms never falling.
    private func follows(_ previous: Position, _ entries: [Entry]) -> Bool {
        var before = previous
        for entry in entries {
            guard entry.index == before.index + 1, entry.term >= before.term, entry.term <= hardState.term else { return false }
            before = entry.position
        }
        return true
    }

    /// Whether a message says otherwise than what is committed here. No leader of this group does: the sender is broken, or
    /// lies, and is not answered. (One of an earlier term may have had other entries, and is told that its time is over.)
    package func contradicts(_ message: Message) -> Bool {
        guard case .append(let previous, let entries, _) = message.body, message.term >= hardState.term else { return false }
        return contradicts(previous, entries)
    }

    private func contradicts(_ previous: Position, _ entries: [Entry]) -> Bool {
        guard previous.index < commit || previous.index == commit && !log.holds(previous) else { return false }
        func differs(_ place: Position) -> Bool { log.term(at: place.index).map { $0 != place.term } ?? false }
        if differs(previous) { return true }
        let known = entries.prefix { $0.index <= commit }
        if known.contains(where: { differs($0.position) }) { return true }
        // What comes next cannot be of an earlier term.
        guard known.count < entries.count, let term = log.term(at: commit) else { return false }
        return entries[known.count].term < term
    }

    private mutating func refuse(_ rejected: UInt64, _ hint: Position, _ effects: inout Effects) {
        guard let leader else { return }
        say(.appendRefused(rejected: rejected, hint: hint), to: leader, &effects)
    }

    /// From the first entry on that differs; what stood there is gone.
    private mutating func replace(with entries: [Entry], _ effects: inout Effects) {
        let first = entries[0].index
        precondition(first > commit, "member \(id) would replace entry \(first), which is committed")
        if first <= log.last.index {
            log.truncate(from: first)
            truncationTerm = hardState.term
            if durable.index >= first { durable = log.last }
            while let change = pendingChanges.last, change >= first { pendingChanges.removeLast() }
            matched = min(matched, first - 1)
        }
        log.append(entries)
        for entry in entries where entry.kind == .configuration { pendingChanges.append(entry.index) }
        effects.append += entries
    }

    /// A leader's word counts as far as the logs are known to agree.
    private mutating func learn(commit theirs: UInt64) {
        commit = max(commit, min(theirs, matched))
    }

    /// Acknowledges what is durable.
    mutating func answerAppend(_ effects: inout Effects) {
        guard let leader else { return }
        owesAnswer = durable.index < matched
        say(.appendAnswer(matched: min(durable.index, matched)), to: leader, &effects)
    }

    mutating func receiveCommit(_ theirs: UInt64, _ effects: inout Effects) {
        learn(commit: theirs)
        settle(&effects)
    }

    mutating func receiveHeartbeat(_ theirs: UInt64, _ round: UInt64, _ effects: inout Effects) {
        guard let leader else { return }
        learn(commit: theirs)
        say(.heartbeatAnswer(round: round, matched: min(durable.index, matched)), to: leader, &effects)
        settle(&effects)
    }

    mutating func receiveSnapshot(_ head: SnapshotHead, _ effects: inout Effects) {
        let position = head.position
        owesAnswer = true
        if position.index > commit {
            guard position.term <= hardState.term else { return }
            if log.holds(position) {
                // All that it holds is here already, and now known to be committed.
                commit = position.index
            } else {
                restore(head, &effects)
            }
        }
        matched = max(matched, commit)
        if durable.index >= matched { answerAppend(&effects) }
        settle(&effects)
    }

    private mutating func restore(_ head: SnapshotHead, _ effects: inout Effects) {
        log.reset(to: head.position)
        truncationTerm = hardState.term
        durable = .start
        pendingChanges = []
        commit = head.position.index
        applied = commit
        configuration = head.configuration
        effects.restore = head
    }
}
