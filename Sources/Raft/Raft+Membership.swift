extension Raft {
    /// Why a change cannot be appended now. Any term before must be settled and the change before applied, so that
    /// the configuration seen here is the one that the change will meet.
    func objection(to proposal: Proposal) -> Refusal? {
        guard let change = ConfigurationChange(decoding: proposal.bytes) else { return .change(.unreadable) }
        guard pendingChanges.isEmpty, commit >= leading.termStart else { return .changePending }
        do throws(ConfigurationError) {
            _ = try configuration.applying(change)
            if let base = change.base, base != configuration.digest { throw .moved }
            return nil
        } catch {
            return .change(error)
        }
    }

    mutating func leaveJointIfDue(_ effects: inout Effects) {
        guard configuration.isJoint, configuration.autoLeave, pendingChanges.isEmpty, applied >= leading.termStart else { return }
        append([Proposal(.leave)], &effects)
    }

    /// Hands leadership to a voter that has the whole log (dissertation §3.10). Proposals are refused meanwhile; given
    /// up after an election's time.
    mutating func transfer(to member: UInt64, _ effects: inout Effects) {
        guard role == .leader, leading.resignation == nil else {
            effects.refused = .notLeader(leader: leader)
            return
        }
        guard configuration.voters.contains(member) else {
            effects.refused = .notVoter(member)
            return
        }
        guard member != id, transferee != member else { return }
        transferee = member
        leading.sinceTransfer = 0
        if let at = members.place(of: member) { send(toPlace: at, evenEmpty: false, &effects) }
        finishTransfer(&effects)
    }

    mutating func finishTransfer(_ effects: inout Effects) {
        guard let transferee, members.match(transferee) == log.last.index else { return }
        leading.leaseIsVoid = true
        say(.timeoutNow, to: transferee, &effects)
    }

    /// A leader that was removed steps down when a majority of the others knows it: they must not be left alone with an
    /// old configuration that needs the one who left. It names the readiest of them to lead.
    mutating func resignIfDue(_ member: UInt64, _ round: UInt64, _ matched: UInt64, _ effects: inout Effects) {
        guard var resignation = leading.resignation, round >= resignation.round, matched >= resignation.index else { return }
        if !resignation.aware.contains(member) { resignation.aware.append(member) }
        leading.resignation = resignation
        guard Quorum.verdict(of: configuration, { resignation.aware.contains($0) }) == .won else { return }
        let heir = resignation.aware.first { members.match($0) == log.last.index && configuration.voters.contains($0) }
        if let heir { say(.timeoutNow, to: heir, &effects) }
        become(.follower, term: hardState.term, leader: nil, &effects)
    }
}

extension Proposal {
    /// As it stands in the log: what a change was thought out for is the leader's business alone.
    fileprivate var isBased: Bool { kind == .configuration && bytes.first.map { $0 & ConfigurationChange.hasBase != 0 } ?? false }

    var withoutBase: Proposal {
        guard isBased, var change = ConfigurationChange(decoding: bytes) else { return self }
        change.base = nil
        return Proposal(change)
    }
}
