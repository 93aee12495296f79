import Bytes
import Host
import Raft
@testable import Replica
import Simulation
import Testing

/// What is done beside the replica's thread.
@Suite struct AsideTests {
    private func world(_ seed: UInt64) -> World {
        var options = small(checkpointCommands: 20)
        options.retainedBytesMax = 2000
        options.snapshotsAside = true
        return World(seed: seed, options: options)
    }

    /// A follower that was away while much happened.
    private func leaveBehind(_ world: World) -> (leader: World.Member, late: World.Member)? {
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let leader = world.leader, let late = world.members.first(where: { $0 !== leader }) else { return nil }
        world.crash(late, down: 60)
        for _ in 0..<50 {
            for _ in 0..<5 { world.propose(at: leader, bytes: 100) }
            world.turn()
        }
        return (leader, late)
    }

    @Test func `while a snapshot is written and read for long, its receiver answers heartbeats and nobody campaigns`() {
        for seed in UInt64(40)..<46 {
            let world = world(seed)
            guard let (leader, late) = leaveBehind(world) else { return }
            let term = leader.status?.term
            // Longer than any election, and longer than a leader waits for a silent receiver.
            world.asideTurns = 450
            world.run(until: "the snapshot's parts", within: 200) { late.core?.receiver.isReceiving == true }
            for _ in 0..<400 {
                world.turn()
                let progress = leader.status?.members.first { $0.id == late.id }
                #expect(progress?.isActive == true && progress?.needsSnapshot == true, "seed \(seed)")
            }
            #expect(late.machine.installed == 0 && leader.status?.role == .leader && leader.status?.term == term, "seed \(seed)")
            world.run(until: "the snapshot", within: 100) { late.machine.installed == 1 }
            world.asideTurns = 1
            #expect(leader.status?.term == term, "seed \(seed)")
            world.heal()
            #expect(late.machine.installed == 1, "seed \(seed): it was sent again")
        }
    }

    @Test func `members make their checkpoints by turns, so that most of them never do so at once`() {
        checkTurns(of: [1, 2, 3]) { _, _ in }
    }

    @Test func `where members come later they take turns as well`() {
        checkTurns(of: [1, 2]) { world, leader in
            world.add(3, .joining)
            world.start(world[3])
            world.change(at: leader, [.init(.addLearner, 3)])
            world.run(until: "a learner that has caught up") {
                (leader.status?.members.first { $0.id == 3 }?.match ?? 0) > 0
            }
            world.change(at: leader, [.init(.addVoter, 3)])
            world.run(until: "three voters") { world.members.allSatisfy { $0.status?.configuration.voters == [1, 2, 3] } }
        }
    }

    @Test func `members that were started again keep their turns`() {
        checkTurns(of: [1, 2, 3]) { world, leader in
            for follower in world.members where follower !== leader {
                world.crash(follower, down: 3)
                for _ in 0..<17 {
                    world.propose(at: leader)
                    world.turn()
                }
            }
        }
    }

    private func checkTurns(of voters: [UInt64], _ prepare: (World, World.Member) -> Void) {
        var options = small(checkpointCommands: 30)
        options.checkpointsAside = true
        let world = World(seed: 4, voters: voters, options: options)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let leader = world.leader else { return }
        prepare(world, leader)
        var counts = world.members.map(\.machine.checkpoints)
        var turns: [[Int]] = world.members.map { _ in [] }
        for turn in 0..<600 {
            for _ in 0..<Int.random(in: 0...2, using: &world.dice) { world.propose(at: leader) }
            world.turn()
            for (place, member) in world.members.enumerated() where member.machine.checkpoints > counts[place] {
                counts[place] = member.machine.checkpoints
                turns[place].append(turn)
            }
        }
        #expect(turns.allSatisfy { $0.count >= 15 }, "\(turns)")
        for (place, mine) in turns.enumerated() {
            for others in turns[(place + 1)...] {
                for one in mine { #expect(others.allSatisfy { abs($0 - one) >= 4 }, "\(turns)") }
            }
        }
    }

    @Test func `a crash while parts are kept aside loses nothing`() {
        for seed in UInt64(60)..<80 {
            let world = world(seed)
            guard let (_, late) = leaveBehind(world) else { return }
            world.asideTurns = Int(seed % 7) + 1
            for _ in 0..<6 {
                world.run(Int.random(in: 1...12, using: &world.dice))
                if late.isUp { world.crash(late, down: 3) }
            }
            world.asideTurns = 1
            world.heal()
        }
    }

    @Test func `whatever room a disk has left for a snapshot, its member goes on, and takes it when there is more`() {
        for room in stride(from: 0, through: 12_000, by: 200) {
            let world = world(7)
            guard let (_, late) = leaveBehind(world) else { return }
            world.run(until: "it is back", within: 200) { late.isUp }
            late.disk.setFullness(.room(room))
            for _ in 0..<80 {
                world.turn()
                #expect(late.isUp, "with room for \(room) bytes it ended")
            }
            world.heal()
            #expect(late.machine.installed > 0, "room for \(room) bytes")
        }
    }

    @Test func `a snapshot that the machine cannot take is refused, and the process goes on`() {
        let world = world(90)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let leader = world.leader, let member = world.members.first(where: { $0 !== leader }) else { return }
        let lies: [UInt8] = Array("this is no notebook, though its digest is right".utf8)
        var digest = Digest()
        digest.add(lies)
        let head = SnapshotHead(position: Position(index: 900, term: 1), configuration: Configuration(voters: [1, 2, 3]))
        let chunk = SnapshotChunk(
            id: digest.value, head: head, term: member.status?.term ?? 0, total: UInt64(lies.count), offset: 0, bytes: lies,
            crc32c: CRC32C.checksum(lies))
        world.step(member, [.received(PeerMessage(from: leader.id, to: member.id, body: .chunk(chunk)))])
        world.run(10)
        #expect(member.isUp && member.machine.installed == 0 && member.core?.receiver.isReceiving == false)
        #expect((member.core?.counts.dropped ?? 0) > 0)
        world.heal()
    }
}
