import Host
import Raft
@testable import Replica
import Simulation
import Testing

/// Whole members, three in one loop.
@Suite struct GroupTests {
    private func failure<Value>(_ result: Result<Value, ReplicaError>?) -> ReplicaError? {
        if case .failure(let error) = result { error } else { nil }
    }

    @Test func `three members elect, and answer proposals and reads on any of them`() {
        for seed in UInt64(0)..<8 {
            let world = World(seed: seed)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            for _ in 0..<10 {
                for member in world.members {
                    world.propose(at: member)
                    world.read(at: member)
                }
                world.turn()
            }
            world.run(until: "all answers", within: 60) { world.answers.count == 30 && world.reads.count == 30 }
            #expect(world.answers.values.allSatisfy { failure($0) == nil }, "seed \(seed)")
            #expect(world.reads.values.allSatisfy { failure($0) == nil }, "seed \(seed)")
            world.heal()
        }
    }

    @Test func `a group begins with all its members, and afterwards goes on with a majority`() {
        for seed in UInt64(0)..<4 {
            let world = World(seed: seed)
            // Two of three: with empty disks they cannot know that nothing was ever acknowledged.
            for id in [1, 2] as [UInt64] { world.cuts.formUnion([[id, 3], [3, id]]) }
            world.run(200)
            #expect(world.leader == nil && world.members.map { $0.status?.term } == [1, 1, 1], "seed \(seed): \(world.summary)")
            #expect(world.members.map { $0.status?.unmet } == [[3], [3], [1, 2]], "seed \(seed)")
            // Nor do they when they are started again.
            world.crash(world[1], down: 3)
            world.run(100)
            #expect(world.leader == nil && world[1].status?.unmet == [3], "seed \(seed)")
            world.cuts = []
            world.run(until: "a leader") { world.leader?.mayLead == true }
            #expect(world.members.allSatisfy { $0.status?.unmet == [] }, "seed \(seed)")
            world.propose(at: world[1])
            world.run(until: "an answer") { !world.answers.isEmpty }
            // It has begun: who restarts waits for nobody.
            world.cuts = [[1, 3], [3, 1], [2, 3], [3, 2]]
            world.crash(world[1], down: 3)
            world.crash(world[2], down: 3)
            world.run(until: "a leader of two") { world.leader.map { $0.id != 3 && $0.mayLead } == true }
            world.heal()
        }
    }

    @Test func `the others hear of a commit before it is applied and who asked is answered`() throws {
        let world = World(seed: 6)
        world.run(until: "a leader that others follow") { world.leader?.mayLead == true }
        let leader = try #require(world.leader)
        let follower = try #require(world.members.first { $0.id != leader.id })
        let now = Instant(sinceStart: .seconds(60))
        var sent: [PeerMessage] = []
        let asked = try #require(try leader.core?.step([.propose(id: 77, command(1, bytes: 20))], now: now) { sent += $0 })
        #expect(asked.answers.isEmpty && !sent.isEmpty)
        sent = []
        let end = try #require(leader.core?.raft.last.index)
        var appliedWhenSent: [(to: UInt64, index: UInt64)] = []
        let body = Message.Body.appendAnswer(matched: end)
        let answer = Message(from: follower.id, to: leader.id, term: leader.status?.term ?? 0, body: body)
        let outputs = try #require(
            try leader.core?.step([.received(PeerMessage(from: follower.id, to: leader.id, body: .raft(answer)))], now: now) {
                for message in $0 { appliedWhenSent.append((message.to, leader.machine.applied.position.index)) }
                sent += $0
            })
        #expect(outputs.answers.map(\.id) == [77])
        #expect(sent.map(\.to).sorted() == world.members.map(\.id).filter { $0 != leader.id })
        #expect(appliedWhenSent.allSatisfy { $0.1 < end } && appliedWhenSent.count == 2, "\(appliedWhenSent)")
    }

    @Test func `what no member can have said is dropped`() {
        let world = World(seed: 5)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let leader = world.leader?.id, let member = world.members.first(where: { $0.id != leader }) else { return }
        let term = member.status?.term ?? 0
        let gap = [Entry(index: 50, term: term, bytes: [1]), Entry(index: 90, term: term, bytes: [2])]
        let bodies: [(UInt64, Message.Body)] = [
            (.max, .heartbeat(commit: 0, round: 0)), (.max, .preVoteRequest(last: .start)),
            (term, .append(previous: Position(index: 49, term: term), entries: gap, commit: 0)),
            (term, .append(previous: Position(index: .max, term: term), entries: [gap[0]], commit: 0)),
        ]
        for (number, body) in bodies {
            let message = Message(from: leader, to: member.id, term: number, body: body)
            world.step(member, [.received(PeerMessage(from: leader, to: member.id, body: .raft(message)))])
        }
        #expect(member.status?.term == term)
        world.heal()
    }

    @Test func `crashes at any operation, loss, repetition and disorder lose nothing that was acknowledged`() {
        for seed in UInt64(1000)..<1012 {
            var options = small(checkpointCommands: 20)
            // Little memory, so that those who were away need snapshots.
            options.retainedBytesMax = 2000
            let world = World(seed: seed, options: options)
            world.weather = World.Weather(loss: 5, repeats: 5, delayMax: 3)
            for _ in 0..<800 {
                world.turn()
                let member = world.members[Int.random(in: 0..<3, using: &world.dice)]
                switch Int.random(in: 0..<40, using: &world.dice) {
                case 0: member.disk.losePower(afterOperations: Int.random(in: 0..<60, using: &world.dice))
                case 1: world.cuts = [[member.id, member.id % 3 + 1]]
                case 2: world.cuts = []
                case 3: if let other = world.members.first(where: { $0 !== member }) { member.inputs.append(.lost(peer: other.id)) }
                case 4: member.inputs.append(.handOver)
                case 5: member.disk.setFullness([.none, .growth, .none].randomElement(using: &world.dice) ?? .none)
                case 6: member.inputs.append(.ticks(30))
                case 7..<22: world.propose(at: member, bytes: Int.random(in: 0..<200, using: &world.dice))
                case 22..<27: world.read(at: member)
                default: break
                }
                if world.now % 100 == 0 { world.verify() }
            }
            world.heal()
        }
    }

    @Test func `a proposal that a change of leader lost is proposed again, once`() {
        for seed in UInt64(0)..<10 {
            let world = World(seed: seed)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            guard let old = world.leader else { return }
            // Cut off, it takes proposals that nobody hears of.
            for member in world.members where member !== old { world.cuts.formUnion([[old.id, member.id], [member.id, old.id]]) }
            let ids = (0..<5).map { _ in world.propose(at: old) }
            world.run(until: "another leader", within: 100) { world.leader !== old && world.leader?.mayLead == true }
            world.cuts = []
            world.run(until: "the answers", within: 110) { ids.allSatisfy { world.answers[$0] != nil } }
            for id in ids { #expect(failure(world.answers[id]) == nil, "seed \(seed)") }
            world.heal()
        }
    }

    @Test func `without a leader proposals and reads end in time, and say that nothing was done`() {
        let world = World(seed: 5)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        let one = world[1]
        for member in world.members where member !== one { world.crash(member, down: 10_000) }
        world.run(until: "nobody leads", within: 60) { one.status?.leader == nil }
        let id = world.propose(at: one)
        let read = world.read(at: one)
        world.run(world.options.requestTicks + 2)
        #expect(failure(world.answers[id]) == .noLeader)
        #expect(failure(world.reads[read]) == .noLeader)
    }

    @Test func `a full disk of the leader refuses by name, and another one leads`() {
        let world = World(seed: 6)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let old = world.leader else { return }
        old.disk.setFullness(.growth)
        var refused = 0
        for _ in 0..<60 where world.leader === old {
            let id = world.propose(at: old, bytes: 900)
            world.turn()
            if failure(world.answers[id]) == .noSpace { refused += 1 }
        }
        #expect(refused > 3)
        world.run(until: "another leader", within: 60) { world.leader != nil && world.leader !== old }
        guard let leader = world.leader else { return }
        let id = world.propose(at: leader)
        world.run(10)
        #expect(failure(world.answers[id]) == nil && world.answers[id] != nil)
        world.heal()
        #expect(old.status?.trouble == nil)
    }

    @Test(arguments: 0..<12) func `a leader hands over whenever it is asked, also when it has just counted who is there`(ticks: Int) throws {
        let world = World(seed: 8)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        world.run(20 + ticks)
        let old = try #require(world.leader)
        #expect(old.status?.members.allSatisfy(\.isActive) == true)
        old.inputs.append(.handOver)
        world.run(until: "another leader", within: 9) { world.leader.map { $0 !== old && $0.mayLead } == true }
    }

    @Test(arguments: 0..<12) func `a full disk of the leader is handed over from whenever it fills up`(ticks: Int) throws {
        let world = World(seed: 8)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        world.run(20 + ticks)
        let old = try #require(world.leader)
        old.disk.setFullness(.growth)
        // Nobody asks for more than the first that is refused.
        for _ in 0..<60 where old.status?.trouble == nil {
            world.propose(at: old, bytes: 300)
            world.turn()
        }
        #expect(old.status?.trouble == .noSpace)
        world.run(until: "another leader", within: 20) { world.leader.map { $0 !== old && $0.mayLead } == true }
    }

    @Test func `reads go on when all disks are full, for as long as they are, and writes by themselves afterwards`() throws {
        for seed in UInt64(20)..<26 {
            let world = World(seed: seed)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            world.run(20)
            for member in world.members { member.disk.setFullness(.growth) }
            let term = try #require(world.leader?.status?.term)
            for turn in 0..<3000 {
                if turn % 3 == 0, let leader = world.leader { world.propose(at: leader, bytes: 900) }
                world.turn()
            }
            #expect(world.members.allSatisfy { $0.status?.trouble == .noSpace }, "seed \(seed): \(world.summary)")
            for member in world.members {
                let id = world.read(at: member)
                world.run(until: "a read at \(member.id)", within: 30) { if case .success? = world.reads[id] { true } else { false } }
            }
            let last = try #require(world.leader?.status?.term)
            #expect(last - term <= 6, "seed \(seed): from one full disk to another, \(last - term) times")
            // Room on one that does not lead: it is that which is to lead then, and one more makes a majority.
            let leader = world.leader
            for member in world.members where member !== leader { member.disk.setFullness(.none) }
            world.run(until: "another leader", within: 100) { world.leader.map { $0 !== leader && $0.mayLead } == true }
            world.heal()
        }
    }

    @Test func `a member of which nothing was heard yet when its connection broke has its log, and needs no snapshot`() throws {
        for seed in UInt64(30)..<36 {
            var options = small(checkpointCommands: 10)
            options.retainedBytesMax = 2000
            let world = World(seed: seed, options: options)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            for _ in 0..<60 {
                if let leader = world.leader { world.propose(at: leader, bytes: 300) }
                world.turn()
            }
            world.run(40)
            let old = try #require(world.leader)
            world.crash(old, down: 10_000)
            world.run(until: "a candidate wins", within: 200) { world.leader != nil }
            let heir = try #require(world.leader)
            let other = try #require(world.members.first { $0 !== heir && $0 !== old })
            // What it asked first is lost with the connection.
            world.cuts = [[heir.id, other.id], [other.id, heir.id]]
            heir.inputs.append(.lost(peer: other.id))
            world.run(2)
            world.cuts = []
            world.run(until: "it leads", within: 60) { heir.mayLead }
            #expect(heir.core?.counts.snapshotBytesSent == 0, "seed \(seed)")
            world.start(old)
            world.heal()
        }
    }

    @Test func `the damaged log of one without whom nobody can be elected is refused, and not set aside to wait for ever`() throws {
        for voters in [[1], [1, 2]] as [[UInt64]] {
            let world = World(seed: 40, voters: voters)
            if voters == [1] {
                world.add(2, .joining)
                world.start(world[2])
                world.run(until: "a leader") { world.leader?.mayLead == true }
                world.change(at: world[1], [.init(.addLearner, 2)])
            }
            world.run(until: "a leader") { world.leader?.mayLead == true }
            for _ in 0..<40 {
                if let leader = world.leader { world.propose(at: leader, bytes: 300) }
                world.turn()
            }
            world.run(20)
            world.crash(world[1], down: 10_000)
            let segments = world[1].disk.names("/log").filter { $0.hasSuffix(".log") }
            world[1].disk.flip("/log/\(segments[0])", at: SegmentHeader.size + 40, mask: 1)
            var options = world.options
            options.id = 1
            do throws(ReplicaError) {
                _ = try ReplicaCore.open(directory: "/log", disk: world[1].disk, machine: world[1].machine, options: options, identity: 3, membership: world[1].membership)
                Issue.record("voters \(voters): opened")
            } catch {
                guard case .corrupt = error else {
                    Issue.record("voters \(voters): \(error)")
                    continue
                }
            }
            #expect(world[1].disk.names("/log/damaged-1").isEmpty)
        }
    }

    @Test func `a full disk of a follower holds nobody up, and it catches up by itself`() {
        let world = World(seed: 7)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let follower = world.members.first(where: { $0 !== world.leader }) else { return }
        follower.disk.setFullness(.growth)
        for _ in 0..<40 {
            if let leader = world.leader { world.propose(at: leader, bytes: 500) }
            world.turn()
        }
        world.run(5)
        #expect(world.answers.values.allSatisfy { failure($0) == nil })
        #expect(follower.status?.trouble == .noSpace)
        world.heal()
        #expect(follower.status?.trouble == nil)
    }

    @Test func `one who was away gets a snapshot, through loss, repetition and its own crashes`() {
        for seed in UInt64(0)..<6 {
            var options = small(checkpointCommands: 20)
            options.retainedBytesMax = 2000
            let world = World(seed: seed, options: options)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            guard let away = world.members.first(where: { $0 !== world.leader }) else { return }
            world.crash(away, down: 100)
            for _ in 0..<90 {
                // Enough for a snapshot of several chunks.
                for _ in 0..<6 { if let leader = world.leader { world.propose(at: leader, bytes: 3000) } }
                world.turn()
            }
            world.weather = World.Weather(loss: 10, repeats: 10, delayMax: 4)
            for _ in 0..<300 {
                if world.chance(3) { away.disk.losePower(afterOperations: Int.random(in: 0..<30, using: &world.dice)) }
                world.turn()
            }
            world.heal()
            #expect(away.machine.all.count > 400, "seed \(seed)")
            let files = away.disk.names("/log/snapshot")
            #expect(files.isEmpty, "seed \(seed): left: \(files)")
        }
    }

    @Test func `a member joins as a learner, is promoted, and another one leaves`() {
        for seed in UInt64(0)..<10 {
            let world = World(seed: seed)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            guard let leader = world.leader else { return }
            for _ in 0..<20 { world.propose(at: leader) }
            world.add(4, .joining)
            world.start(world[4])
            let added = world.change(at: leader, [.init(.addLearner, 4)])
            world.run(until: "the learner has all", within: 200) {
                world.answers[added] != nil && world[4].status?.appliedIndex == leader.status?.appliedIndex
            }
            #expect(world[4].status?.isLearner == true)
            #expect(world[4].machine.all.last?.bytes == [7])
            let gone = world.members.first { $0 !== leader && $0.id != 4 }!
            let both = world.change(at: leader, [.init(.addVoter, 4), .init(.remove, gone.id)])
            world.run(until: "the joint change is over", within: 200) {
                world.answers[both] != nil && leader.status?.configuration.isJoint == false
            }
            #expect(leader.status?.configuration.voters.contains(4) == true)
            #expect(leader.status?.configuration.voters.contains(gone.id) == false)
            let bad = world.change(at: leader, [.init(.remove, gone.id), .init(.remove, 4), .init(.remove, leader.id)])
            world.run(20)
            if case .changeRefused(let why)? = failure(world.answers[bad]) { _ = why } else if failure(world.answers[bad]) != nil {
                Issue.record("seed \(seed): \(String(describing: world.answers[bad]))")
            }
            world.verify()
        }
    }

    @Test func `a damaged log is set aside, and the member does not vote before it has all again`() throws {
        for seed in UInt64(0)..<6 {
            let world = World(seed: seed)
            world.run(until: "a leader") { world.leader?.mayLead == true }
            for _ in 0..<40 {
                if let leader = world.leader { world.propose(at: leader, bytes: 300) }
                world.turn()
            }
            guard let hurt = world.members.first(where: { $0 !== world.leader }), let leader = world.leader else { return }
            let term = hurt.status?.term
            world.crash(hurt, down: 10_000)
            let segments = hurt.disk.names("/log").filter { $0.hasSuffix(".log") }
            hurt.disk.flip("/log/\(segments[0])", at: SegmentHeader.size + 40, mask: 1)
            world.start(hurt)
            #expect(hurt.status?.isRecovering == true, "seed \(seed)")
            // What was damaged may have held a later one, and a vote.
            #expect(hurt.status?.term == term.map { $0 + 1 }, "seed \(seed): the term was forgotten")
            #expect(!hurt.disk.names("/log/damaged-1").isEmpty)
            // Alone with the third, who cannot win without it.
            guard let third = world.members.first(where: { $0 !== hurt && $0 !== leader }) else { return }
            for other in [hurt, third] { world.cuts.formUnion([[leader.id, other.id], [other.id, leader.id]]) }
            world.run(200)
            #expect(third.status?.role != .leader, "seed \(seed): elected by one who forgot")
            if world.chance(50) { world.crash(hurt, down: 3) }
            world.run(5)
            #expect(hurt.status?.isRecovering == true, "seed \(seed)")
            world.heal()
            #expect(hurt.status?.isRecovering == false)
        }
    }

    @Test func `what the machine wants is proposed by the leader, in its term or never`() {
        let world = World(seed: 9)
        world.run(until: "a leader") { world.leader?.mayLead == true }
        guard let leader = world.leader else { return }
        for member in world.members { member.machine.want([[UInt8(member.id)]]) }
        world.run(20)
        #expect(leader.machine.commands.map(\.bytes) == [[UInt8(leader.id)]])
        let before = leader.machine.leaderships
        #expect(Set(before.map(\.since)).count == 1)
        // A pause begins the leadership anew.
        leader.inputs.append(.ticks(100))
        world.run(20)
        #expect(leader.machine.leaderships.last!.since > before[0].since)
        // What comes in another term than it was made in is not applied, by anybody.
        #expect(leader.machine.leaderships.allSatisfy { $0.term == before[0].term })
    }
}

extension SimulatedDisk {
    func names(_ directory: String) -> [String] { (try? list(directory))?.filter { !$0.contains("/") } ?? [] }
}
