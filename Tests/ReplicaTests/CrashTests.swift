import Host
import Raft
@testable import Replica
import Simulation
import Testing

/// The log and the core over a disk that loses power at any operation.
@Suite struct CrashTests {
    @Test func `every acknowledged command survives any crash, in order`() {
        for seed in UInt64(0)..<2000 { Life(seed: seed).run() }
    }

    /// One seed: several lives of one replica.
    private final class Life {
        let seed: UInt64
        var dice: SimulatedDisk.Dice
        let disk: SimulatedDisk
        var machine = Notebook()
        var acknowledged: [[UInt8]] = []
        /// Written when the power went; may survive, but only as a whole.
        var inFlight: [[UInt8]] = []
        var number = 0
        var term: UInt64 = 0
        /// What is in flight waits for room.
        var stuck = false

        init(seed: UInt64) {
            self.seed = seed
            dice = SimulatedDisk.Dice(seed: seed &+ 1 << 40)
            disk = SimulatedDisk(seed: seed)
        }

        func run() {
            for _ in 0..<Int.random(in: 2...5, using: &dice) {
                disk.losePower(afterOperations: Int.random(in: 0..<120, using: &dice))
                do throws(ReplicaError) { try live() } catch {
                    guard case .storage = error else {
                        Issue.record("seed \(seed): \(error)")
                        return
                    }
                }
                disk.setFullness(.none)
                if chance(25) { disk.killProcess() }
                disk.crash()
                machine = machine.crashed(&dice)
            }
            do throws(ReplicaError) {
                var core = try open()
                verify(core.status)
                _ = try core.commit([command(number, bytes: 1)])
                try core.close()
            } catch { Issue.record("seed \(seed): \(error)") }
            let check = LogCheck.run("/log", disk: disk)
            #expect(check.problem == nil, "seed \(seed)")
            #expect(check.tornBytes == 0, "seed \(seed)")
        }

        private func open() throws(ReplicaError) -> ReplicaCore<Notebook> {
            try ReplicaCore.one(disk, machine, small(checkpointCommands: 12), identity: dice.next())
        }

        private func live() throws(ReplicaError) {
            var core = try open()
            verify(core.status)
            for _ in 0..<40 {
                switch Int.random(in: 0..<10, using: &dice) {
                case 0..<6: try commit(&core)
                case 6: try core.rest()
                case 7: try core.checkpointIfDue(factor: chance(50) ? 2 : 1)
                case 8: do throws(DiskError) { try core.log.spare.prepare() } catch {}
                default: disk.setFullness([.none, .none, .growth, .everything].randomElement(using: &dice) ?? .none)
                }
            }
            if !stuck, chance(50) { try core.close() }
        }

        private func commit(_ core: inout ReplicaCore<Notebook>) throws(ReplicaError) {
            if stuck {
                disk.setFullness(.none)
                _ = try core.step([], now: Instant(sinceStart: .zero)) { _ in }
                acknowledged += inFlight
                inFlight = []
                stuck = false
            }
            let batch = (0..<Int.random(in: 1...4, using: &dice)).map { at in
                command(number + at, bytes: Int.random(in: 0..<700, using: &dice))
            }
            number += batch.count
            inFlight = batch
            do throws(ReplicaError) {
                _ = try core.commit(batch)
                acknowledged += batch
            } catch {
                // Without an answer it is written when there is room.
                if error == .timedOut { return stuck = true }
                // A batch without room was never written, and must not be found later.
                guard error == .noSpace else { throw error }
            }
            inFlight = []
        }

        private func verify(_ status: ReplicaStatus) {
            let found = machine.commands.map(\.bytes)
            let isRight = found == acknowledged || found == acknowledged + inFlight
            #expect(isRight, "seed \(seed): \(acknowledged.count) acknowledged, \(found.count) found")
            let indexes = machine.commands.map(\.index)
            #expect(zip(indexes, indexes.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed): an index came twice")
            #expect(status.term > term, "seed \(seed): the term did not rise")
            #expect(status.role == .leader && status.commitIndex == status.lastIndex, "seed \(seed)")
            term = status.term
            stuck = false
            acknowledged = found
            inFlight = []
        }

        private func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &dice) < percent }
    }

    @Test func `a failed sync ends the log`() throws {
        let disk = SimulatedDisk(seed: 1)
        var core = try ReplicaCore.one(disk, Notebook())
        disk.failSyncs(after: 0)
        do throws(ReplicaError) {
            _ = try core.commit([[1]])
            Issue.record("the sync's failure passed unseen")
        } catch {
            guard case .storage(let why) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(why.contains("/log/00000000000000000001.log") && why.contains("Input/output error"))
        }
    }

    @Test func `a full disk refuses, and writes resume when space returns`() throws {
        let disk = SimulatedDisk(seed: 2)
        let machine = Notebook()
        var core = try ReplicaCore.one(disk, machine)
        var refused = 0
        disk.setFullness(.growth)
        for number in 0..<20 {
            do throws(ReplicaError) { _ = try core.commit([command(number, bytes: 500)]) } catch {
                #expect(error == .noSpace)
                refused += 1
            }
        }
        #expect(refused > 10 && refused < 20, "the segment at hand is still filled")
        #expect(core.status.trouble == .noSpace)
        disk.setFullness(.everything)
        // A disk that copies on write refuses what room was kept for: it is written when there is room again.
        #expect(throws: ReplicaError.timedOut) { try core.commit([[1]]) }
        #expect(throws: ReplicaError.noSpace) { try core.commit([[2]]) }
        disk.setFullness(.none)
        let written = try core.step([], now: Instant(sinceStart: .zero)) { _ in }
        #expect(written.answers.count == 1)
        _ = try core.commit([[9]])
        #expect(machine.commands.suffix(2).map(\.bytes) == [[1], [9]])
        #expect(machine.commands.count == 20 - refused + 2)
    }

    @Test func `a second opener is refused until the first lets go`() throws {
        let disk = SimulatedDisk(seed: 3)
        do {
            let first = try ReplicaCore.one(disk, Notebook())
            do throws(ReplicaError) {
                _ = try ReplicaCore.one(disk, Notebook())
                Issue.record("two opened the log")
            } catch { #expect("\(error)".contains("/log/lock is locked by process")) }
            _ = first.status
        }
        _ = try ReplicaCore.one(disk, Notebook())
    }

    @Test func `a crash while the log begins anew after a snapshot leaves nothing of what it replaced`() throws {
        func open(_ disk: SimulatedDisk) throws -> FoundLog {
            try Log.open(
                "/log", disk: disk, segmentBytes: 4096, beginning: .init(after: .start, hardState: HardState(), identity: 5), applied: 0, retainedBytesMax: 1 << 20)
        }
        var whole = 0
        for operations in 0..<60 {
            let disk = SimulatedDisk(seed: UInt64(operations))
            try disk.makeDirectory("/log")
            var found = try open(disk)
            try found.log.append([], save: HardState(term: 9))
            for index in 1...100 as ClosedRange<UInt64> {
                try found.log.append([Entry(index: index, term: 5, kind: .command, bytes: [UInt8](repeating: 1, count: 300))])
            }
            disk.losePower(afterOperations: operations)
            do throws(ReplicaError) {
                try found.log.restore(after: Position(index: 80, term: 9))
                whole += 1
            } catch {}
            disk.crash()
            let again = try open(disk)
            if again.log.last != Position(index: 80, term: 9) { #expect(again.log.last == Position(index: 100, term: 5)) }
            #expect((again.entries.last?.position ?? again.base) == again.log.last, "after \(operations) operations")
            #expect(again.entries.allSatisfy { again.log.terms.term(at: $0.index).map { $0 == 5 } ?? true })
        }
        #expect(whole > 0 && whole < 60)
    }
}
