import Host
import Raft
import Replica
import Simulation
import Store

extension Cluster {
    @discardableResult
    func addMember(_ membership: Membership) throws(Breach) -> UInt64 {
        let id = nextMember
        nextMember += 1
        let member = Member<S>(id: id, membership: membership, seed: worldDice.next())
        members.append(member)
        try start(member)
        return id
    }

    /// A process begins on the member's machine.
    func start(_ member: Member<S>) throws(Breach) {
        precondition(member.state == .down, "member \(member.id) runs already")
        var options = ReplicaOptions()
        options.id = member.id
        options.cluster = Self.clusterNumber
        options.segmentBytes = scenario.segmentBytes
        options.checkpointCommands = scenario.checkpointCommands
        options.retainedBytesMax = scenario.retainedBytes
        options.chunkBytes = scenario.chunkBytes
        options.leaseReads = scenario.leaseReads
        options.checkpointsAside = scenario.checkpointsAside
        options.snapshotsAside = scenario.snapshotsAside
        member.clock(now)
        let tap: Tap<S>
        do { tap = Tap(try make(member)) } catch {
            throw Breach(.opens, "the database of member \(member.id) does not open: \(error)")
        }
        member.life += 1
        member.state = .running
        member.inbox = []
        member.isAwaited = false
        member.busyUntil = now
        member.answered = 0
        member.look = .init()
        do throws(ReplicaError) {
            member.core = try ReplicaCore.open(
                directory: "log", disk: member.disk, machine: tap, options: options, identity: worldDice.next(),
                membership: member.membership)
            let book = try PeerBook.open(
                "log", disk: member.disk, cluster: Self.clusterNumber, member: member.id, incarnation: worldDice.next() | 1)
            member.book = book
            member.incarnation = book.identity.incarnation
            // Its ticket says with which disks the voters vote, also those whose disk was wiped meanwhile.
            if member.membership == .joining {
                let voters = members.filter { seats.voters.contains($0.id) }
                _ = book.learn(Dictionary(uniqueKeysWithValues: voters.map { ($0.id, $0.firstIncarnation) }), voters: voters.count)
            }
        } catch {
            if member.isWiped, case .mismatch = error {
                trace(now, "member \(member.id) does not start with another disk")
                return try crash(member, losesPower: false, backIn: nil)
            }
            guard member.mayEnd || error == .noSpace else { throw Breach(.opens, "member \(member.id) does not open: \(error)") }
            return try crash(member, losesPower: false, backIn: .milliseconds(500))
        }
        member.tap = tap
        trace(now, "member \(member.id) starts")
        try drain(member)
        try watchOver(member, sent: .start)
        plan(.tick(member.id, life: member.life), in: worldDice.below(Self.tick))
    }

    /// The process ends at once; with its power the machine loses what was not synced.
    func crash(_ member: Member<S>, losesPower: Bool, backIn delay: Micros?) throws(Breach) {
        guard member.isUp else { return }
        // Where the power was to go soon, it goes now.
        let losesPower = losesPower || member.mayEnd
        counts.crashes += 1
        trace(now, "member \(member.id) ends\(losesPower ? " and loses power" : "")")
        member.core = nil
        member.tap = nil
        member.book = nil
        member.keepingUntil = 0
        member.state = .down
        member.life += 1
        member.inbox = []
        member.mayEnd = false
        if losesPower {
            member.disk.crash()
            member.storage.losePower()
        } else {
            member.disk.killProcess()
        }
        for watcher in watchers where watcher.member == member.id { watcher.isOpen = nil }
        if let delay { plan(.restart(member.id), in: delay) }
        guard !losesPower || faultDice.oneIn(2) else { return }
        // Whoever was connected to a process that ended sees it at once; to a machine without power, not always.
        for other in members where other.state == .running && other.id != member.id && !network.link(member.id, other.id).isCut {
            try arrive(other.id, .lost(peer: member.id))
        }
    }

    func tick(_ id: UInt64, _ life: Int) throws(Breach) {
        guard let member = member(id), member.life == life, member.state == .running else { return }
        plan(.tick(id, life: life), in: Self.tick * 1_000 / member.clockRate)
        try greet(member)
        try arrive(id, .ticks(1))
    }

    /// Something reaches a process: it is taken at once, or when the process is free.
    func arrive(_ id: UInt64, _ input: ReplicaInput) throws(Breach) {
        guard let member = member(id), member.isUp else { return }
        if member.state == .paused || member.busyUntil > now || !member.inbox.isEmpty {
            // What a socket holds is bounded.
            if member.inbox.count < 2_000 { member.inbox.append(input) }
            if member.state == .running, !member.isAwaited {
                member.isAwaited = true
                plan(.wake(id, life: member.life), in: member.busyUntil - now)
            }
            return
        }
        try step(member, [input])
    }

    func wake(_ id: UInt64, _ life: Int) throws(Breach) {
        guard let member = member(id), member.life == life else { return }
        member.isAwaited = false
        guard member.state == .running, !member.inbox.isEmpty else { return }
        if member.busyUntil > now {
            member.isAwaited = true
            return plan(.wake(id, life: life), in: member.busyUntil - now)
        }
        let inputs = Self.gather(member.inbox)
        member.inbox = []
        try step(member, inputs)
    }

    /// The shell counts ticks that it had no time for.
    private static func gather(_ inbox: [ReplicaInput]) -> [ReplicaInput] {
        var ticks = 0
        var others: [ReplicaInput] = []
        for input in inbox {
            if case .ticks(let count) = input { ticks += count } else { others.append(input) }
        }
        return (ticks > 0 ? [.ticks(ticks)] : []) + others
    }

    func step(_ member: Member<S>, _ inputs: [ReplicaInput]) throws(Breach) {
        counts.steps += 1
        let syncsBefore = member.disk.syncs
        var sent: [(PeerMessage, syncs: Int)] = []
        var outputs: ReplicaOutputs<Answer>?
        var failure: ReplicaError?
        var lure: UInt64?
        func send(_ messages: [PeerMessage]) {
            let syncs = member.disk.syncs - syncsBefore
            for message in messages {
                sent.append((message, syncs))
                lure = lure ?? spring(member, message)
            }
        }
        do throws(ReplicaError) {
            outputs = try member.core?.step(inputs, now: member.clock(now), send: send)
            // As the shell does.
            let slowest = Duration.microseconds(member.disk.syncs > syncsBefore ? member.syncLatency : 0)
            if member.core?.mustHandOver(afterSync: slowest) == true {
                outputs?.add(try member.core?.step([.handOver], now: member.clock(now), send: send))
            }
            // The shell has a quiet moment now and then.
            if case .ticks = inputs[0], member.inbox.isEmpty { try member.core?.rest() }
        } catch {
            failure = error
        }
        let syncs = member.disk.syncs - syncsBefore
        member.busyUntil = now + Micros(syncs) * member.syncLatency
        var promise = Position.start
        for (message, syncs) in sent {
            // Who lost its disk may say what it likes: nobody listens.
            if !member.isWiped { try overhear(member, message, &promise) }
            post(message, from: member, at: now + Micros(syncs) * member.syncLatency)
        }
        try drain(member)
        if let lure { return try close(member, lure) }
        if let failure {
            guard member.mayEnd else { throw Breach(.stands, "member \(member.id) ended by itself: \(failure)") }
            return try crash(member, losesPower: true, backIn: faultDice.within(10_000...2_000_000))
        }
        try watchOver(member, sent: promise)
        guard let outputs else { return }
        for (id, result) in outputs.answers { try answer(member, id, result) }
        for (id, result) in outputs.reads { try answerRead(member, id, result) }
        if outputs.makeCheckpoint { plan(.checkpoint(member.id, life: member.life), in: worldDice.within(1_000...scenario.checkpointTime)) }
        for part in outputs.keepParts {
            member.keepingUntil = max(member.keepingUntil, now) + worldDice.within(200...30_000)
            plan(.keep(member.id, life: member.life, letter: letters.put(.part(part))), in: member.keepingUntil - now)
        }
        if let path = outputs.makeSnapshot {
            counts.snapshots += 1
            plan(.snapshot(member.id, life: member.life, letter: letters.put(.path(path))), in: worldDice.within(5_000...200_000))
        }
    }

    /// Beside the replica's thread: what is applied meanwhile is not in it, and the replica hears of it later.
    func makeCheckpoint(_ id: UInt64, _ life: Int) throws(Breach) {
        guard let member = member(id), member.life == life, let tap = member.tap else { return }
        // Who reads while it writes sees what is written, what waits and what came meanwhile.
        var breach: Breach?
        let index = try? member.storage.whileWriting {
            do throws(Breach) { try self.compareWhole(member) } catch { breach = error }
        } body: {
            try tap.checkpoint()
        }
        if let breach { throw breach }
        plan(.checkpointed(id, life: life, through: index), in: worldDice.within(1_000...scenario.checkpointTime))
    }

    func keepPart(_ id: UInt64, _ life: Int, _ letter: Int) throws(Breach) {
        guard case .part(let part)? = letters.take(letter), let member = member(id), member.life == life, let tap = member.tap
        else { return }
        try arrive(id, .partKept(part, part.keep(for: tap)))
    }

    func makeSnapshot(_ id: UInt64, _ life: Int, _ letter: Int) throws(Breach) {
        guard case .path(let path)? = letters.take(letter), let member = member(id), member.life == life, let tap = member.tap
        else { return }
        try arrive(id, .snapshotMade(SnapshotFile.make(path, machine: tap, disk: member.disk)))
    }
}

extension ReplicaOutputs {
    /// Of a second step.
    fileprivate mutating func add(_ more: ReplicaOutputs?) {
        guard let more else { return }
        answers += more.answers
        reads += more.reads
    }
}
