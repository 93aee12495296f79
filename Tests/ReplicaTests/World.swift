import Host
import Raft
@testable import Replica
import Simulation
import Testing

/// Several members in one loop: disks, machines and a wire of values. Everything follows from the seed.
final class World {
    final class Member {
        let id: UInt64
        let disk: SimulatedDisk
        var machine: Notebook
        var core: ReplicaCore<Notebook>?
        var inputs: [ReplicaInput] = []
        var membership: Membership
        /// Ticks until it starts again; 0 while it runs.
        var down = 0

        var isUp: Bool { status != nil }
        var status: ReplicaStatus? { core?.status }
        var mayLead: Bool { core?.mayLead == true }

        init(id: UInt64, seed: UInt64, membership: Membership) {
            self.id = id
            self.membership = membership
            disk = SimulatedDisk(seed: seed)
            machine = Notebook(disk: disk)
        }
    }

    struct Weather {
        var loss = 0
        var repeats = 0
        var delayMax = 0
    }

    let seed: UInt64
    var dice: SimulatedDisk.Dice
    var options: ReplicaOptions
    var members: [Member]
    var weather = Weather()
    /// Pairs that hear nothing of each other, one way.
    var cuts: Set<[UInt64]> = []
    private var wire: [(at: Int, message: PeerMessage)] = []
    /// How long it takes to keep a part of a snapshot, where that is done aside.
    var asideTurns = 3
    private var aside: [(at: Int, member: UInt64, machine: Notebook, part: SnapshotPart)] = []
    private(set) var now = 0
    private var ids: UInt64 = 0
    /// By the id of the proposal.
    var proposed: [UInt64: [UInt8]] = [:]
    var answers: [UInt64: Result<UInt64, ReplicaError>] = [:]
    var reads: [UInt64: Result<Void, ReplicaError>] = [:]
    /// What a read must see: numbers of commands acknowledged before it was asked, and whom it asked.
    private var expected: [UInt64: (member: UInt64, count: Int)] = [:]
    private var acknowledged: [[UInt8]] = []
    var number = 0

    init(seed: UInt64, voters: [UInt64] = [1, 2, 3], options: ReplicaOptions = small(checkpointCommands: 20)) {
        self.seed = seed
        self.options = options
        dice = SimulatedDisk.Dice(seed: seed &+ 77)
        members = []
        for id in voters { add(id, .bootstrap(Configuration(voters: voters))) }
    }

    func add(_ id: UInt64, _ membership: Membership) {
        members.append(Member(id: id, seed: seed &* 31 &+ id, membership: membership))
    }

    subscript(id: UInt64) -> Member { members.first { $0.id == id }! }

    var leader: Member? {
        members.filter { $0.status?.role == .leader }.max { ($0.status?.term ?? 0) < ($1.status?.term ?? 0) }
    }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &dice) < percent }

    func start(_ member: Member) {
        var options = options
        options.id = member.id
        do throws(ReplicaError) {
            member.core = try ReplicaCore.open(
                directory: "/log", disk: member.disk, machine: member.machine, options: options, identity: dice.next(),
                membership: member.membership)
            member.down = 0
        } catch {
            switch error {
            // The power may go again while it starts, or its disk is full: it is started again later.
            case .storage, .noSpace: crash(member, down: 20)
            default: Issue.record("seed \(seed): member \(member.id) did not start: \(error)")
            }
        }
    }

    /// Loses power: what was not synced may go.
    func crash(_ member: Member, down: Int) {
        member.core = nil
        member.inputs = []
        member.disk.crash()
        member.machine = member.machine.crashed(&dice)
        member.down = max(1, down)
    }

    @discardableResult func propose(at member: Member, bytes: Int = 20) -> UInt64 {
        ids += 1
        number += 1
        let mine = command(number, bytes: bytes)
        proposed[ids] = mine
        member.inputs.append(.propose(id: ids, mine))
        return ids
    }

    @discardableResult func change(at member: Member, _ steps: [ConfigurationChange.Step]) -> UInt64 {
        ids += 1
        member.inputs.append(.change(id: ids, ConfigurationChange(steps, context: [7])))
        return ids
    }

    @discardableResult func read(at member: Member) -> UInt64 {
        ids += 1
        expected[ids] = (member.id, acknowledged.count)
        member.inputs.append(.read(id: ids))
        return ids
    }

    /// One tick of everybody.
    func turn() {
        now += 1
        let due = wire.filter { $0.at <= now }.map(\.message)
        wire.removeAll { $0.at <= now }
        for message in due where !cuts.contains([message.from, message.to]) {
            if let target = members.first(where: { $0.id == message.to }), target.isUp {
                target.inputs.append(.received(message))
            }
        }
        keepParts()
        meet()
        for member in members {
            if !member.isUp {
                member.down -= 1
                if member.down <= 0 { start(member) }
                continue
            }
            step(member, [.ticks(1)] + member.inputs)
        }
    }

    /// Who runs dials all others, and is let in.
    private func meet() {
        for member in members {
            for peer in member.status?.unmet ?? [] where self[peer].isUp && !cuts.contains([member.id, peer]) && !cuts.contains([peer, member.id]) {
                member.inputs.append(.met(peer: peer))
            }
        }
    }

    private func keepParts() {
        let due = aside.filter { $0.at <= now }
        aside.removeAll { $0.at <= now }
        for (_, id, machine, part) in due where self[id].isUp && self[id].machine === machine {
            self[id].inputs.append(.partKept(part, part.keep(for: machine)))
        }
    }

    func step(_ member: Member, _ inputs: [ReplicaInput]) {
        member.inputs = []
        var sent: [PeerMessage] = []
        do throws(ReplicaError) {
            let instant = Instant(sinceStart: .milliseconds(50 * now))
            guard let outputs = try member.core?.step(inputs, now: instant, send: { sent += $0 }) else { return }
            if chance(20) { try member.core?.rest() }
            take(outputs, member)
        } catch {
            guard case .storage = error else {
                Issue.record("seed \(seed): member \(member.id): \(error)")
                return
            }
            crash(member, down: Int.random(in: 1...60, using: &dice))
        }
        for message in sent {
            if chance(weather.loss) { continue }
            repeat {
                wire.append((now + 1 + Int.random(in: 0...weather.delayMax, using: &dice), message))
            } while chance(weather.repeats)
        }
    }

    private func take(_ outputs: ReplicaOutputs<UInt64>, _ member: Member) {
        for (id, result) in outputs.answers {
            #expect(answers[id] == nil, "seed \(seed): \(id) was answered twice")
            answers[id] = result
            guard case .success(let index) = result, let mine = proposed[id] else { continue }
            acknowledged.append(mine)
            #expect(member.machine.commands.last { $0.index == index }?.bytes == mine, "seed \(seed): another's output")
        }
        for (id, result) in outputs.reads {
            reads[id] = result
            guard case .success = result, let (asked, count) = expected[id] else { continue }
            let seen = Set(self[asked].machine.commands.map(\.bytes))
            #expect(acknowledged.prefix(count).allSatisfy(seen.contains), "seed \(seed): a read missed what was acknowledged")
        }
        for part in outputs.keepParts { aside.append((now + asideTurns, member.id, member.machine, part)) }
        if outputs.makeCheckpoint {
            member.inputs.append(.checkpointMade(ReplicaCore<Notebook>.makeCheckpoint(of: member.machine)))
        }
        if let path = outputs.makeSnapshot {
            member.inputs.append(.snapshotMade(SnapshotFile.make(path, machine: member.machine, disk: member.disk)))
        }
    }

    func run(_ turns: Int) {
        for _ in 0..<turns { turn() }
    }

    /// Runs until the condition holds; records an issue when it takes too long.
    func run(until what: String, within turns: Int = 600, _ condition: () -> Bool) {
        for _ in 0..<turns {
            if condition() { return }
            turn()
        }
        if !condition() { Issue.record("seed \(seed): \(what): not within \(turns) ticks; \(summary)") }
    }

    var summary: String {
        members.map { member in
            guard let status = member.status else { return "\(member.id): down" }
            return "\(member.id): \(status.role) t\(status.term) last \(status.lastIndex) applied \(status.appliedIndex) of "
                + "\(status.commitIndex) \(status.isRecovering ? "recovering" : "") \(status.trouble.map { "\($0)" } ?? "")"
        }.joined(separator: "; ")
    }

    /// All machines tell one story, with everything that was acknowledged in it, and nothing twice.
    func verify() {
        var story: [UInt64: Command] = [:]
        for member in members {
            for command in member.machine.all {
                if let told = story[command.index] {
                    #expect(told == command, "seed \(seed): member \(member.id) differs at entry \(command.index)")
                }
                story[command.index] = command
            }
            let mine = member.machine.commands.map(\.bytes)
            #expect(Set(mine).count == mine.count, "seed \(seed): member \(member.id) applied a command twice")
        }
    }

    /// Peace: everybody comes back, and everybody must come to the same state.
    func heal() {
        weather = Weather()
        cuts = []
        for member in members { member.disk.setFullness(.none) }
        run(until: "a command is applied by all after the healing", within: 2000) {
            if now % 50 == 0, let leader { propose(at: leader) }
            guard members.allSatisfy({ $0.status?.isRecovering == false }), let leader else { return false }
            let goal = leader.status?.lastIndex
            return leader.mayLead && members.allSatisfy { $0.status?.appliedIndex == goal }
        }
        verify()
        let all = Set(members[0].machine.commands.map(\.bytes))
        for (at, command) in acknowledged.enumerated() {
            #expect(all.contains(command), "seed \(seed): acknowledged command \(at) is lost")
        }
        for member in members { #expect(member.machine.commands == members[0].machine.commands, "seed \(seed): member \(member.id)") }
    }
}
