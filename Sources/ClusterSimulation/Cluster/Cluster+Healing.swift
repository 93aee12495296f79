import Replica
import Simulation
import Store

extension Cluster {
    /// How long the healed cluster may take until all have been answered and are equal, or the others without a minority until they answer.
    private static var patience: Micros { .seconds(90) }
    /// How long clients go on writing while a minority is broken: more than the logs of seeds have reserved.
    private static var insistence: Micros { .seconds(20) }

    /// All that was broken is mended, and everybody who is down comes back.
    func heal() throws(Breach) {
        isHealing = true
        isLame = false
        demandsSince = now
        trace(now, "all is healed")
        network.heal()
        heldBack = [:]
        trapUntil = 0
        for member in members where member.state != .gone {
            member.syncLatency = Self.syncLatency
            member.disk.setFullness(.none)
            member.storage.setFull(false)
            if member.mayEnd {
                try crash(member, losesPower: true, backIn: .milliseconds(100))
            }
            switch member.state {
            case .paused: try end(.resume(member.id))
            case .down: plan(.restart(member.id), in: .milliseconds(100))
            case .running, .gone: break
            }
        }
        for client in clients.indices {
            clients[client].beginLastWords()
            plan(.act(client: client), in: .seconds(2) + Micros(client) * 100_000)
        }
    }

    /// All is well but for a minority, mostly with the leader, which stays broken.
    private func breakMinority(_ lameness: Scenario.Lameness) throws(Breach) {
        let voters = members.filter { seats.voters.contains($0.id) }
        guard voters.count > 2, let first = faultDice.oneIn(3) ? faultDice.pick(voters) : leader else { return }
        (isLame, wasLame) = (true, true)
        insistsUntil = now + Self.insistence
        demandsSince = insistsUntil
        try lame(first, lameness)
        if voters.count > 4 { try lame(faultDice.pick(voters.filter { $0.id != first.id }), lameness) }
        for client in clients.indices {
            clients[client].beginLastWords()
            plan(.act(client: client), in: .milliseconds(10) + Micros(client) * 1_000)
        }
    }

    private func lame(_ victim: Member<S>, _ lameness: Scenario.Lameness) throws(Breach) {
        counts.lame += 1
        trace(now, "member \(victim.id) is \(lameness), and stays so")
        func cut(_ from: UInt64, _ to: UInt64) { network.change(from, to) { $0.isCut = true } }
        switch lameness {
        case .down: try crash(victim, losesPower: faultDice.oneIn(2), backIn: nil)
        case .paused: pause(victim, nil)
        case .isolated, .deaf, .mute:
            for other in members where other.id != victim.id {
                if lameness != .mute { cut(other.id, victim.id) }
                if lameness != .deaf { cut(victim.id, other.id) }
            }
        case .outOfRoom, .unwritable:
            victim.disk.setFullness(lameness == .outOfRoom ? .growth : .everything)
            victim.storage.setFull(true)
        case .slow: victim.syncLatency = .milliseconds(faultDice.pick([300, 450, 900]))
        }
    }

    /// Clients go on until then. Who is slow is heard all the same, and so leads until it sees that it should not.
    var mayRest: Bool { now >= insistsUntil && (!isLame || leader.map { $0.syncLatency == Self.syncLatency } ?? false) }

    /// - Throws: when it takes too long.
    func isDone() throws(Breach) -> Bool {
        let answered = clients.allSatisfy { $0.hasLastWord && $0.waitsFor == nil }
        let seated = members.filter { seats.isSeated($0.id) }
        let isLevel = seated.allSatisfy { $0.state == .running && $0.look.applied == truth.lastEntry }
            && model.leases.isEmpty && watchers.allSatisfy { $0.validator.position > model.revision }
        if answered, isLame {
            try heal()
            return false
        }
        if answered, isLevel, !seats.isJoint, seats.candidates.isEmpty {
            try compareAll(seated)
            if let lameness = scenario.lameness, !wasLame { try breakMinority(lameness) }
            return !isLame
        }
        guard now > demandsSince + Self.patience else { return false }
        let standing = members.filter { $0.state != .gone }.map { "\($0.id) \($0.state) \($0.look)" }.joined(separator: "; ")
        if !answered {
            throw Breach(
                isLame ? .goesOn : .progress,
                "clients \(clients.filter { !$0.hasLastWord || $0.waitsFor != nil }.map(\.number)) have no answer; \(standing)")
        }
        throw Breach(
            .progress,
            """
            members are not level at \(truth.lastEntry), a change of members is not done (\(seats)), leases \(model.leases.keys.sorted()) have not \
            ended or watchers \(watchers.map(\.validator.position)) are not at \(model.revision): \(standing)
            """)
    }

    private func compareAll(_ seated: [Member<S>]) throws(Breach) {
        var first: (id: UInt64, digest: String)?
        for member in seated {
            guard let tap = member.tap else { continue }
            try compareWhole(member)
            // With all that it knows beside the keys: leases, members, alarms.
            _ = try? tap.checkpoint()
            let digest = "\(tap.subject.digest()); \(member.storage.facts)"
            if let first, first.digest != digest {
                throw Breach(.equal, "member \(first.id) is \(first.digest), member \(member.id) is \(digest)")
            }
            first = first ?? (member.id, digest)
        }
    }

    /// The clients' side of it, by itself.
    func checkHistory() throws(Breach) {
        var checker = RevisionChecker(history)
        if let problem = checker.problem() { throw Breach(.linearizable, problem) }
    }
}
