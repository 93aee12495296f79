import Foundation
import Testing

@testable import ClusterSimulation

/// How many seeds. `PLASMA_SIMULATION_PERCENT` scales it; `PLASMA_SEED` replays one seed and prints its trace;
/// `PLASMA_SEED_START` fixes where fresh seeds begin.
private enum Budget {
    private static let environment = ProcessInfo.processInfo.environment
    private static let share = environment["PLASMA_SIMULATION_PERCENT"].flatMap(Int.init) ?? 100
    static let replayed = environment["PLASMA_SEED"].flatMap(UInt64.init)
    static let minutes = 1

    static var seeds: [UInt64] {
        if let replayed { return [replayed] }
        let start = environment["PLASMA_SEED_START"].flatMap(UInt64.init) ?? UInt64.random(in: 1...1_000_000_000)
        return (0..<UInt64(max(1, 30 * share / 100))).map { start + $0 }
    }
}

@Suite struct `A cluster that everything happens to` {
    @Test func `keeps all its promises, for fresh seeds`() async {
        let seeds = Budget.seeds
        print("cluster simulation: seeds \(seeds.first ?? 0)…\(seeds.last ?? 0)")
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<2 {
                group.addTask {
                    for seed in seeds where seed % 2 == UInt64(lane) {
                        await Task.yield()
                        let verdict = simulate(seed: seed, minutes: Budget.minutes, trace: Budget.replayed != nil)
                        #expect(verdict.breach == nil, "seed \(seed), after \(verdict.simulated) µs")
                    }
                }
            }
        }
    }

    @Test func `is the same again for the same seed`() {
        let first = simulate(seed: 11, minutes: 1, keepsLines: 200)
        let second = simulate(seed: 11, minutes: 1, keepsLines: 200)
        #expect(first.tail == second.tail)
        #expect(first.counts.description == second.counts.description)
    }

    @Test func `is of every temper in some seeds, and as usual in about half`() {
        let tempers = (1...UInt64(200)).map { Scenario(seed: $0, length: .seconds(60)).temper }
        for temper in [Scenario.Temper.siege, .ambush, .late, .leases] {
            #expect(tempers.count { $0 == temper } >= 5, "\(temper)")
        }
        #expect((70...130).contains(tempers.count { $0 == .usual }))
    }

    @Test func `springs its traps: a voter loses power as its vote leaves, an old leader's appends come after it`() {
        var sum = Counts()
        for temper in [Scenario.Temper.ambush, .siege] {
            let seed = (1...UInt64(200)).first { Scenario(seed: $0, length: .seconds(60)).temper == temper } ?? 0
            let verdict = simulate(seed: seed, minutes: 1)
            #expect(verdict.breach == nil, "seed \(seed)")
            sum.add(verdict.counts)
        }
        #expect(sum.ambushes > 0 && sum.lateAppends > 0, "\(sum)")
    }

    @Test(arguments: [Scenario.Lameness.down, .paused, .isolated, .deaf, .mute, .outOfRoom, .unwritable, .slow])
    func `goes on without a minority that stays broken, and with it when it is mended`(lameness: Scenario.Lameness) throws {
        let seed = try #require((1...UInt64(2000)).first {
            let scenario = Scenario(seed: $0, length: .seconds(60))
            return scenario.lameness == lameness && scenario.ruin == nil && scenario.members == 5
        })
        let verdict = simulate(seed: seed, minutes: 1)
        #expect(verdict.breach == nil && verdict.counts.lame > 0, "seed \(seed): \(verdict.counts)")
    }

    @Test func `is asked, answered, broken and mended: a simulation of nothing proves nothing`() {
        var sum = Counts()
        for seed in 1...UInt64(6) { sum.add(simulate(seed: seed, minutes: 1).counts) }
        #expect(sum.answered > 200 && sum.crashes > 5 && sum.elections > 5 && sum.batches > 50, "\(sum)")
    }
}
