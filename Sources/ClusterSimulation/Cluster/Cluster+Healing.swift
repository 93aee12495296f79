import Replica
import Simulation
import Store

extension Cluster {
    /// How long the healed cluster may take until all have been answered and are equal.
    private static var patience: Micros { .seconds(90) }

    /// All that was broken is mended, and everybody who is down comes back.
    func heal() throws(Breach) {
        isHealing = true
        trace(now, "all is healed")
        network.heal()
        heldBack = [:]
        trapUntil = 0
        for member in members where member.state != .gone {
            member.syncLatency = 300
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
        for client in clients.indices { plan(.act(client: client), in: .seconds(2) + Micros(client) * 100_000) }
    }

    /// - Throws: when it takes too long.
    func isDone() throws(Breach) -> Bool {
        let answered = clients.allSatisfy { $0.hasLastWord && $0.waitsFor == nil }
        let seated = members.filter { seats.isSeated($0.id) }
        let isLevel = seated.allSatisfy { $0.state == .running && $0.look.applied == truth.lastEntry }
        if answered, isLevel, !seats.isJoint, seats.candidates.isEmpty {
            try compareAll(seated)
            return true
        }
        guard now > scenario.length + Self.patience else { return false }
        let standing = members.filter { $0.state != .gone }.map { "\($0.id) \($0.state) \($0.look)" }.joined(separator: "; ")
        if !answered {
            throw Breach(
                .progress,
                "clients \(clients.filter { !$0.hasLastWord || $0.waitsFor != nil }.map(\.number)) have no answer; \(standing)")
        }
        throw Breach(
            .progress, "members are not level at \(truth.lastEntry), or a change of members is not done (\(seats)): \(standing)")
    }

    private func compareAll(_ seated: [Member<S>]) throws(Breach) {
        var first: (id: UInt64, digest: String)?
        for member in seated {
            guard let tap = member.tap else { continue }
            try compareWhole(member)
            let digest = tap.subject.digest()
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
