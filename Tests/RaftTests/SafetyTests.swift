@testable import Raft
import Testing

/// The whole group under every fault at once; then it is healed and must go on.
@Suite struct SafetyTests {
    /// A few hundred random events.
    static func storm(_ net: inout Net, events: Int, changes: Bool) {
        for _ in 0..<events {
            let id = net.someone()
            switch Int.random(in: 0..<100, using: &net.dice) {
            // Who is alone stands still, too: a leader that does not notice the time.
            case 0..<30: if net.island != [id] { net.step(id, .tick) }
            case 30..<68: exchange(&net)
            case 68..<82: net.persist(id)
            case 82..<88: net.propose(id, count: Int.random(in: 1...3, using: &net.dice))
            case 88..<91: net.read(id)
            case 91: net.island = net.chance(2) ? [id] : net.chance(2) ? [id, net.someone()] : []
            case 92: net.checkpoint(id)
            case 93: net.sendSnapshot(id, succeeds: !net.chance(4))
            case 94: if net.chance(3) { net.step(id, .transfer(to: net.someone())) }
            case 95: if net.chance(3) { net.step(id, .gap) }
            case 96: net.step(id, .lost(net.someone()))
            case 97: if net.chance(2) { net.crash(id) }
            case 98: net.restart(id)
            default: if changes { change(&net, id) }
            }
        }
    }

    private static func exchange(_ net: inout Net) {
        guard !net.wire.isEmpty else { return }
        // Mostly the oldest, so that something comes of it.
        let at = net.chance(3) ? Int.random(in: 0..<net.wire.count, using: &net.dice) : 0
        let message = net.wire[at]
        if !net.chance(12) { net.wire.remove(at: at) }
        let isCut = net.island.contains(message.from) != net.island.contains(message.to)
        if !isCut, !net.chance(15) { net.deliver(message) }
    }

    private static func change(_ net: inout Net, _ id: UInt64) {
        let kinds: [ConfigurationChange.Step.Kind] = [.addVoter, .addVoter, .addLearner, .remove]
        let steps = (0..<Int.random(in: 1...3, using: &net.dice)).map { _ in
            ConfigurationChange.Step(kinds[Int.random(in: 0..<4, using: &net.dice)], net.someone())
        }
        let leaves = net.chance(4)
        let transition: ConfigurationChange.Transition = net.chance(3) ? .explicit : .automatic
        net.step(id, .propose([Proposal(ConfigurationChange(leaves ? [] : steps, transition: transition))]))
    }

    static func heal(_ net: inout Net) {
        for id in net.ids { net.restart(id) }
        for id in net.ids { net.step(id, .snapshotSent(to: net.someone(), succeeded: false)) }
        net.run(ticks: 40)
        guard let leader = net.leader else { return net.fault("no leader after healing") }
        net.propose(leader)
        net.read(leader)
        let done = net.readsDone
        net.run(ticks: 8)
        let raft = net.nodes[leader]!.raft
        if raft.applied != raft.last.index { net.fault("\(raft.last) is not applied by the leader after healing") }
        if net.readsDone == done, net.reads[net.nextID] != nil { net.fault("a read is not answered after healing") }
        for id in raft.configuration.members where net.nodes[id]!.appliedNow != raft.applied {
            net.fault("member \(id) has applied \(net.nodes[id]!.appliedNow) of \(raft.applied) after healing")
        }
    }

    static func play(seed: UInt64, voters: [UInt64], spare: [UInt64] = [], events: Int) -> [String] {
        var net = Net(seed: seed, voters: voters, spare: spare) { options in
            options.electionTicks = 4
            options.heartbeatTicks = 1
            options.inflightMessagesMax = 4
            options.appendBytesMax = 200
            options.inflightBytesMax = 500
            options.retainedBytesMax = 700
            options.uncommittedBytesMax = 60
        }
        for _ in 0..<2 {
            storm(&net, events: events, changes: !spare.isEmpty)
            net.checkLogs()
            heal(&net)
        }
        net.checkLogs()
        net.checkHistory()
        return net.faults
    }

    @Test(arguments: [0, 1]) func `three voters keep the promises of Raft`(_ half: UInt64) {
        for seed in half * 200..<half * 200 + 200 {
            let faults = Self.play(seed: seed, voters: [1, 2, 3], events: 300)
            #expect(faults.isEmpty)
        }
    }

    @Test(arguments: [0, 1]) func `groups that change keep the promises of Raft`(_ half: UInt64) {
        for seed in half * 200..<half * 200 + 200 {
            let faults = Self.play(seed: seed, voters: [1, 2, 3], spare: [4, 5], events: 300)
            #expect(faults.isEmpty)
        }
    }
}
