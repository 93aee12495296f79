import Raft
import Replica

/// The person who adds, replaces and removes members.
extension Cluster {
    func seat(_ fault: Scenario.Fault) throws(Breach) {
        guard !seats.isJoint, let leader else { return }
        switch fault {
        case .addMember where seats.voters.count < 5 && seats.candidates.isEmpty:
            let id = try addMember(.joining)
            seats.candidates.append((id, nil))
            try change(leader, [.init(.addLearner, id)])
        case .replaceMember where seats.candidates.isEmpty:
            let id = try addMember(.joining)
            seats.candidates.append((id, faultDice.pick(seats.voters)))
            try change(leader, [.init(.addLearner, id)])
        case .removeMember where seats.voters.count > 3:
            let first = faultDice.pick(seats.voters)
            try change(leader, [.init(.remove, first)])
            // An operator in a hurry, whom the second must be refused.
            if seats.voters.count > 4, faultDice.oneIn(2), let next = seats.voters.first(where: { $0 != first }) {
                try change(leader, [.init(.remove, next)])
            }
        default: return
        }
    }

    /// A member loses its disk, and its process begins anew under the old id: nobody may count it any more. The operator
    /// puts a new member in its place.
    func wipe(_ victim: Member<S>, backIn stay: Micros) throws(Breach) {
        guard seats.voters.contains(victim.id), seats.candidates.isEmpty, !victim.isWiped, mayBeDamaged,
            isKnownByAll(victim)
        else { return }
        try crash(victim, losesPower: true, backIn: stay)
        victim.wipe(seed: worldDice.next())
        acquaintances = acquaintances.filter { $0.from != victim.id }
        trace(now, "member \(victim.id) lost its disk")
        let id = try addMember(.joining)
        seats.candidates.append((id, victim.id))
        if let leader { try change(leader, [.init(.addLearner, id)]) }
    }

    /// A majority loses its disks at once, and its processes begin anew under the old ids while who has its disk runs: the
    /// operator starts them all, and would have them go on. They may not, whether or not they reach it: what was acknowledged is not with them.
    func ruin() throws(Breach) {
        let voters = members.filter { seats.voters.contains($0.id) }
        let victims = voters.filter(isKnownByAll).prefix(voters.count / 2 + 1)
        guard !isHealing else { return }
        guard victims.count > voters.count / 2, !seats.isJoint, seats.candidates.isEmpty, !members.contains(where: { $0.isDamaged || $0.isWiped })
        else { return plan(.ruin, in: .seconds(1)) }
        for victim in victims {
            try crash(victim, losesPower: true, backIn: .milliseconds(100))
            victim.wipe(seed: worldDice.next())
            trace(now, "member \(victim.id) lost its disk, as a majority did")
        }
        let gone = Set(victims.map(\.id))
        acquaintances = acquaintances.filter { !gone.contains($0.from) }
        ruinedAt = now
        try heal()
        // Who has its disk is not reached for a while: they wait for it, where it began the cluster with them. Of whoever joined later they
        // know nothing.
        guard faultDice.oneIn(2), (1...UInt64(scenario.members)).contains(where: { !gone.contains($0) }) else { return }
        for survivor in members where !gone.contains(survivor.id) {
            for (from, to) in victims.flatMap({ [(survivor.id, $0.id), ($0.id, survivor.id)] }) {
                network.change(from, to) { $0.isCut = true }
                plan(.end(.link(from, to)), in: .seconds(10))
            }
        }
        trace(now, "those that have their disks are cut off from those that lost theirs")
    }

    private func change(
        _ leader: Member<S>, _ steps: [ConfigurationChange.Step], _ transition: ConfigurationChange.Transition = .automatic
    ) throws(Breach) {
        nextChange += 1
        for step in steps where step.kind == .remove { seats.leaving.insert(step.id) }
        trace(now, "the operator asks member \(leader.id) for \(steps.map { "\($0.kind) \($0.id)" })")
        try arrive(
            leader.id, .change(id: nextChange, ConfigurationChange(steps, transition: transition, context: S.context(steps))))
    }

    /// Looks after what is under way: learners that caught up become voters, joint configurations are left, those who
    /// were removed are shut off.
    func operate() throws(Breach) {
        plan(.operate, in: isHealing ? .milliseconds(500) : .milliseconds(700))
        for member in members where member.state != .gone && !seats.isSeated(member.id) {
            if seats.candidates.contains(where: { $0.id == member.id }) { continue }
            try crash(member, losesPower: true, backIn: nil)
            member.state = .gone
            trace(now, "member \(member.id) is shut off")
        }
        guard let leader else { return }
        if seats.isJoint {
            if !seats.leavesByItself { try change(leader, []) }
            return
        }
        guard let candidate = seats.candidates.first else { return }
        if !seats.isSeated(candidate.id) {
            return try change(leader, [.init(.addLearner, candidate.id)])
        }
        guard let status = leader.core?.status, let progress = status.members.first(where: { $0.id == candidate.id }),
            progress.match + 20 >= status.commitIndex, progress.match > 0
        else { return }
        if let old = candidate.replaces, seats.voters.contains(old) {
            try change(
                leader, [.init(.addVoter, candidate.id), .init(.remove, old)], faultDice.oneIn(3) ? .explicit : .automatic)
        } else {
            try change(leader, [.init(.addVoter, candidate.id)])
        }
    }
}
