extension Raft {
    /// Entries of the leader's own term commit by being counted, and with them all before (§5.4.2).
    mutating func countCommit(_ effects: inout Effects) {
        let reached = Quorum.reached(by: configuration) { members.match($0) }
        guard reached > commit, reached >= leading.termStart, reached <= log.last.index else { return }
        let opens = commit < leading.termStart
        var index = max(commit, leading.termStart - 1)
        while index < reached {
            index += 1
            leading.uncommittedBytes -= log[index].bytes.count
        }
        commit = reached
        if opens, !leading.queued.isEmpty { startReadRound(&effects) }
    }

    /// Gives out what is committed and durable here.
    /// - Returns: whether that was more than before.
    mutating func apply(_ effects: inout Effects) -> Bool {
        let through = min(commit, durable.index)
        guard through > applied else { return false }
        while let index = pendingChanges.first, index <= through {
            pendingChanges.removeFirst()
            applied = index
            applyChange(at: index, &effects)
        }
        applied = through
        effects.commit = through
        return true
    }

    private mutating func applyChange(at index: UInt64, _ effects: inout Effects) {
        let change = ConfigurationChange(decoding: log[index].bytes)
        // A change that does not fit changes nothing, on all members alike.
        if let change, let next = try? configuration.applying(change) { configuration = next }
        effects.configurations.append(.init(index: index, configuration: configuration, context: change?.context ?? []))
        guard role == .leader else { return }
        members.follow(configuration, last: log.last.index)
        if let transferee, !configuration.voters.contains(transferee) { self.transferee = nil }
        if !configuration.isVoter(id), leading.resignation == nil {
            leading.resignation = .init(index: index, round: leading.round + 1)
            startRound(&effects)
        }
        for at in members.ids.indices where members.ids[at] != id { send(toPlace: at, evenEmpty: false, &effects) }
    }
}
