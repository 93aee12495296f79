import Raft
import Replica
import Simulation

extension Cluster {
    /// Something goes wrong, and is planned to end.
    func mischief() throws(Breach) {
        guard !isHealing else { return }
        plan(.mischief, in: 1 + faultDice.below(2 * scenario.calm))
        let fault = faultDice.pick(weighted: scenario.faults)
        let up = members.filter { $0.state == .running && seats.isSeated($0.id) }
        guard let victim = up.isEmpty ? nil : faultDice.pick(up) else { return }
        let stay = 1 + faultDice.below(2 * scenario.stay)
        trace(now, "fault \(fault) at member \(victim.id) for \(stay) µs")
        switch fault {
        case .kill: try crash(victim, losesPower: false, backIn: stay)
        case .losePower: try crash(victim, losesPower: true, backIn: stay)
        case .losePowerMidway:
            victim.mayEnd = true
            victim.disk.losePower(afterOperations: faultDice.below(12))
        case .failSync:
            victim.mayEnd = true
            victim.disk.failSyncs(after: faultDice.below(12))
        case .outage:
            for member in up where !faultDice.oneIn(5) { try crash(member, losesPower: true, backIn: faultDice.below(stay)) }
        case .flip: try flip(victim, backIn: stay)
        case .pause: pause(victim, stay)
        case .pauseLeader: pause(leader ?? victim, stay)
        case .siege: disturb(.isolate, (leader ?? victim).id, stay)
        case .ambush: try ambush()
        case .lateLink: delay(victim.id, stay)
        case .isolate, .split, .oneWay, .lossy, .slowNetwork: disturb(fault, victim.id, stay)
        case .slowDisk:
            victim.syncLatency = .milliseconds(faultDice.pick([5, 40, 300]))
            plan(.end(.latency(victim.id)), in: stay)
        case .fullDisk:
            victim.disk.setFullness(faultDice.pick([.growth, .everything, .room(faultDice.below(3 * scenario.segmentBytes))]))
            victim.storage.setFull(true)
            plan(.end(.room(victim.id)), in: stay)
        case .clockRate: victim.setClock(rate: faultDice.within(900...1_100), jump: 0, at: now)
        case .clockJump:
            let ticks = faultDice.within(6...80)
            victim.setClock(rate: victim.clockRate, jump: ticks * Self.tick, at: now)
            try arrive(victim.id, .ticks(Int(ticks)))
        case .loseConnection:
            if let leader = up.first(where: { $0.look.role == .leader && $0.id != victim.id }) {
                try arrive(victim.id, .lost(peer: leader.id))
            }
        case .transfer:
            guard let leader = leader else { return }
            try arrive(leader.id, faultDice.oneIn(3) ? .handOver : .transfer(to: victim.id))
        case .addMember, .removeMember, .replaceMember: try seat(fault)
        case .wipe: try wipe(victim, backIn: stay)
        }
    }

    func disturb(_ fault: Scenario.Fault, _ victim: UInt64, _ stay: Micros) {
        let ids = members.map(\.id)
        func touch(_ from: UInt64, _ to: UInt64, _ body: (inout Network.Link) -> Void) {
            network.change(from, to, body)
            plan(.end(.link(from, to)), in: stay)
        }
        switch fault {
        case .isolate:
            for id in ids where id != victim {
                touch(id, victim) { $0.isCut = true }
                touch(victim, id) { $0.isCut = true }
            }
        case .oneWay:
            let other = faultDice.pick(ids)
            for id in ids where id != victim && (id == other || faultDice.oneIn(2)) {
                if faultDice.oneIn(2) { touch(id, victim) { $0.isCut = true } } else { touch(victim, id) { $0.isCut = true } }
            }
        case .split:
            let side = ids.filter { _ in faultDice.oneIn(2) }
            for from in ids {
                for to in ids where side.contains(from) != side.contains(to) { touch(from, to) { $0.isCut = true } }
            }
        case .lossy:
            network.standard.lossPerMille = faultDice.pick([20, 100, 300])
            network.standard.twicePerMille = faultDice.pick([0, 100, 300])
            plan(.end(.links), in: stay)
        default:
            network.standard.jitter = .milliseconds(faultDice.pick([2, 20, 150]))
            network.standard.latePerMille = faultDice.pick([0, 30, 150])
            plan(.end(.links), in: stay)
        }
    }

    /// Never so many that a majority could lose what it promised.
    var mayBeDamaged: Bool {
        members.count { ($0.isDamaged || $0.isWiped) && seats.isSeated($0.id) } < (seats.fewestVoters - 1) / 2 && !seats.isJoint
    }

    /// A bit of a log turns over while its process is down.
    private func flip(_ victim: Member<S>, backIn stay: Micros) throws(Breach) {
        guard !victim.isDamaged, mayBeDamaged else { return }
        try crash(victim, losesPower: false, backIn: stay)
        guard let names = try? victim.disk.list("log").filter({ $0.hasSuffix(".log") || $0.contains("segment") }), names.count > 1
        else { return }
        // Not the newest: what turns over in the last record cannot be told from one that was never finished.
        let path = "log/" + names[faultDice.below(names.count - 1)]
        guard let content = victim.disk.content(path), let end = content.lastIndex(where: { $0 != 0 }) else { return }
        let offset = faultDice.below(end + 1)
        victim.disk.flip(path, at: offset, mask: 1 << UInt8(faultDice.below(8)))
        victim.isDamaged = true
        trace(now, "a bit turns over in \(path) of member \(victim.id) at \(offset)")
    }

    func end(_ fix: Fix) throws(Breach) {
        switch fix {
        case .resume(let id):
            guard let member = member(id), member.state == .paused else { return }
            member.state = .running
            trace(now, "member \(id) goes on")
            // The shell sees by its clock how long it stood still.
            let missed = (now - member.pausedAt) / Self.tick
            // Which of its sockets it reads first is chance.
            let readsClientsFirst = scenario.temper == .siege && faultDice.oneIn(2)
            let waiting = member.inbox
            member.inbox = []
            plan(.tick(id, life: member.life), in: Self.tick)
            try step(member, [.ticks(Int(missed) + 1)] + (readsClientsFirst ? waiting.filter(Self.isOfClient) : waiting))
            if readsClientsFirst { for input in waiting where !Self.isOfClient(input) { try arrive(id, input) } }
        case .link(let from, let to): network.change(from, to) { $0.isCut = false }
        case .links: network.standard = Network.Link()
        case .pace(let from, let to): network.change(from, to) { $0 = Network.Link(isCut: $0.isCut) }
        case .latency(let id): member(id)?.syncLatency = Self.syncLatency
        case .room(let id):
            member(id)?.disk.setFullness(.none)
            member(id)?.storage.setFull(false)
        }
    }

    /// Who leads the newest term and is at work.
    var leader: Member<S>? {
        members.filter { $0.state == .running && $0.look.role == .leader }.max { $0.look.term < $1.look.term }
    }
}
