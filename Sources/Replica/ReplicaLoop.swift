import Glibc
import Host
import Logging
import Raft

/// The replica's thread: takes what waits, steps the core, answers.
struct ReplicaLoop<Machine: StateMachine>: ~Copyable {
    private struct Asked {
        var answer: Inbox<Machine.Output>.Answer
        var bytes: Int
    }

    private struct Transfer {
        var target: UInt64
        var deadline: Instant
        var done: Inbox<Machine.Output>.Done
    }

    private let replica: Replica<Machine>
    private var core: ReplicaCore<Machine>
    private var asked = Slots<Asked>()
    private var reads = Slots<Inbox<Machine.Output>.Done>()
    private var transfers: [Transfer] = []
    private var held = HeldNotices()
    /// Who sent proposals, or asked to read, in what the next step looks at.
    private var askers: [UInt64] = []
    private var meters = ReplicaMeters()
    private var lastTick: Instant
    private var spareAskedBy: String?
    /// When stopping waits for a new leader no longer.
    private var stopBy: Instant?
    /// How much there was the last time.
    private var taken = 0
    /// Rounds in a row that began with nothing under way, and in which nothing was seen: looked for in vain, or not looked for.
    private var vainLooks = 0
    private var role = Role.follower
    private var term: UInt64 = 0
    /// When it is told for whom this member waits.
    private var tellsUnmetAt: Instant

    init(replica: Replica<Machine>, core: consuming ReplicaCore<Machine>) {
        self.replica = replica
        self.core = core
        lastTick = replica.time.now()
        tellsUnmetAt = lastTick + .seconds(5)
    }

    mutating func run() -> Result<Void, ReplicaError> {
        let result: Result<Void, ReplicaError>
        do throws(ReplicaError) {
            while try turn() {}
            try core.close()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        end(result)
        // What is being made must not outlive the lock.
        replica.waitForErrands()
        replica.receiving.sync {}
        return result
    }

    private mutating func end(_ result: Result<Void, ReplicaError>) {
        var error = ReplicaError.stopped
        if case .failure(let failure) = result { error = failure }
        for asked in asked.takeAll() { asked.answer(.failure(error)) }
        for done in reads.takeAll() { done(.failure(error)) }
        for transfer in transfers { transfer.done(.failure(error)) }
        transfers = []
    }

    /// One round; false: it is time to end.
    private mutating func turn() throws(ReplicaError) -> Bool {
        let options = replica.options
        let isStopping = replica.inbox.isStopping
        let before = replica.time.now()
        let wait = isStopping ? options.tick / 5 : lastTick + options.tick - before
        let patience = min(max(wait, .zero), options.tick, held.patience(before) ?? options.tick)
        let items = watchingTake(within: patience)
        let now = replica.time.now()
        say(held.due(now, isLast: isStopping))
        var inputs: [ReplicaInput] = []
        inputs.reserveCapacity(items.count + 2)
        let passed = Int((now - lastTick) / options.tick)
        if passed > 0 {
            lastTick = lastTick + options.tick * passed
            inputs.append(.ticks(passed))
        }
        for case .mustEnd(let error) in items {
            for item in items { item.refuse(error) }
            throw error
        }
        for item in items { take(item, now, &inputs) }
        if replica.inbox.isStopping, try !stays(now, &inputs) { return try last(inputs, now) }
        guard !inputs.isEmpty else { return true }
        try step(inputs, now)
        if core.mustHandOver(afterSync: replica.disk.takeSlowest()) {
            replica.logger.warning("the disk is slow: leadership is handed over")
            try step([.handOver], now)
        }
        prepareSpare()
        // Only after a quiet tick: what comes meanwhile proves by itself that the batch before it was synced, and one who waits
        // for one write after another need not wait for the mark.
        if items.isEmpty, replica.inbox.isEmpty { try core.rest() }
        return true
    }

    /// Waits for something to do: with open eyes where the next is near. One who writes alone waits for each step of each member; where
    /// many do, there is enough to do. When all is done the next is near only for one who writes without pause, and so it is looked for
    /// while it mostly is there in time, and now and then after that: who looks keeps a processor from those who are to be told.
    private mutating func watchingTake(within patience: Duration) -> [Inbox<Machine.Output>.Item] {
        let isUnderWay = !asked.isEmpty || !reads.isEmpty || core.applied.index < core.raft.last.index
        let watches = (1...2).contains(taken) && (isUnderWay || vainLooks < 4 || vainLooks % 256 == 0)
        let (items, isSeen) = replica.inbox.take(within: patience, watch: watches ? .microseconds(500) : .zero)
        if !isUnderWay, (1...2).contains(taken) { vainLooks = isSeen ? 0 : vainLooks + 1 }
        taken = items.count
        return items
    }

    /// Whether a stopping member still leads others and somebody may take over.
    private mutating func stays(_ now: Instant, _ inputs: inout [ReplicaInput]) throws(ReplicaError) -> Bool {
        let status = core.status
        guard status.role == .leader, status.members.contains(where: \.isActive) else { return false }
        let deadline = stopBy ?? now + .seconds(1)
        stopBy = deadline
        inputs.append(.handOver)
        return now < deadline
    }

    private mutating func last(_ inputs: [ReplicaInput], _ now: Instant) throws(ReplicaError) -> Bool {
        if !inputs.isEmpty { try step(inputs, now) }
        say(held.due(now, isLast: true))
        return false
    }

    private mutating func take(_ item: Inbox<Machine.Output>.Item, _ now: Instant, _ inputs: inout [ReplicaInput]) {
        switch item {
        case .propose(let bytes, let answer):
            inputs.append(.propose(id: asked.add(Asked(answer: answer, bytes: bytes.count)), bytes))
        case .change(let change, let answer):
            inputs.append(.change(id: asked.add(Asked(answer: answer, bytes: 0)), change))
        case .read(let done): inputs.append(.read(id: reads.add(done)))
        case .received(let messages):
            inputs += messages.lazy.map { .received($0) }
            for message in messages where message.asks { askers.append(message.from) }
            if core.raft.role == .leader { meters.noteReceived(messages, now) }
        case .met(let peer): inputs.append(.met(peer: peer))
        case .lost(let peer): inputs.append(.lost(peer: peer))
        case .snapshotMade(let result):
            if case .failure(let error) = result { replica.logger.warning("no snapshot was made: \(error)") }
            inputs.append(.snapshotMade(result))
        case .checkpointMade(let result): inputs.append(.checkpointMade(result))
        case .mustEnd: break
        case .partKept(let part, let outcome):
            if case .wrong(let why) = outcome {
                replica.logger.warning("a snapshot from member \(String(part.from, radix: 16)) was not taken: \(why)")
            }
            inputs.append(.partKept(part, outcome))
        case .transfer(let target, let done):
            let status = core.status
            if status.leader == target { return done(.success(())) }
            guard status.role == .leader else { return done(.failure(.notLeader(leader: status.leader))) }
            guard status.configuration.voters.contains(target) else {
                return done(.failure(.changeRefused("member \(String(target, radix: 16)) is no voter and cannot lead")))
            }
            transfers.append(
                Transfer(target: target, deadline: now + replica.options.tick * (3 * replica.options.electionTicks), done: done))
            inputs.append(.transfer(to: target))
        }
    }

    private func say(_ messages: [PeerMessage]) {
        if !messages.isEmpty { replica.transport?.send(messages) }
    }

    private mutating func step(_ inputs: [ReplicaInput], _ now: Instant) throws(ReplicaError) {
        let (transport, time) = (replica.transport, replica.time)
        let isLeader = core.raft.role == .leader
        var (held, sentMeters) = (held, meters)
        let isLone = inputs.count <= 2 && inputs.allSatisfy { if case .received(let message) = $0 { message.isLone } else { true } }
        let outputs = try core.step(inputs, now: now) { messages in
            guard let transport else { return }
            let sent = held.pass(messages, time.now())
            if !sent.isEmpty { transport.send(sent) }
            if isLeader { sentMeters.noteSent(sent, now) }
            // One writes alone, and waits for what the transport's thread was woken for: often it is to go on where this one stands.
            if isLone, !sent.allSatisfy(\.isNotice), sent.allSatisfy(\.isLone) { sched_yield() }
        }
        held.note(askers, last: core.raft.last.index)
        askers.removeAll(keepingCapacity: true)
        let status = core.status
        replica.publish(status)
        var bytes = 0
        for (id, result) in outputs.answers {
            guard let asked = asked.take(id) else { continue }
            bytes += asked.bytes
            asked.answer(result)
        }
        if bytes > 0 { replica.inbox.answered(bytes: bytes) }
        for (id, result) in outputs.reads { reads.take(id)?(result) }
        (self.held, meters) = (held, sentMeters)
        if let path = outputs.makeSnapshot { makeSnapshot(path) }
        if outputs.makeCheckpoint { makeCheckpoint() }
        for part in outputs.keepParts { keep(part) }
        settleTransfers(status, now)
        core.counts.dropped += replica.inbox.takeDropped()
        meters.record(core.counts, status)
        tell(status)
        tellUnmet(status, now)
    }

    private mutating func settleTransfers(_ status: ReplicaStatus, _ now: Instant) {
        guard !transfers.isEmpty else { return }
        for transfer in transfers {
            if status.leader == transfer.target {
                transfer.done(.success(()))
            } else if now >= transfer.deadline {
                transfer.done(.failure(.timedOut))
            }
        }
        transfers.removeAll { status.leader == $0.target || now >= $0.deadline }
    }

    private mutating func tell(_ status: ReplicaStatus) {
        guard status.role != role || status.term != term else { return }
        role = status.role
        term = status.term
        replica.logger.info("member \(String(status.id, radix: 16)) is \(role) of term \(term)")
    }

    private mutating func tellUnmet(_ status: ReplicaStatus, _ now: Instant) {
        guard !status.unmet.isEmpty, now >= tellsUnmetAt else { return }
        tellsUnmetAt = now + .seconds(60)
        let names = status.unmet.map { String($0, radix: 16) }.joined(separator: ", ")
        replica.logger.warning("""
            a group begins with all its members, and this one has not met \(names) yet: nobody leads before it has. \
            (One that came with another disk before is refused, and says so; where nothing was ever stored, empty the directories of all.)
            """)
    }

    private func makeSnapshot(_ path: String) {
        let (machine, disk, inbox) = (replica.machine, replica.disk, replica.inbox)
        replica.aside { inbox.put(.snapshotMade(SnapshotFile.make(path, machine: machine, disk: disk))) }
    }

    private func makeCheckpoint() {
        let (machine, inbox) = (replica.machine, replica.inbox)
        replica.aside { inbox.put(.checkpointMade(ReplicaCore<Machine>.makeCheckpoint(of: machine))) }
    }

    private func keep(_ part: SnapshotPart) {
        let (machine, inbox) = (replica.machine, replica.inbox)
        replica.receiving.async { inbox.put(.partKept(part, part.keep(for: machine))) }
    }

    private mutating func prepareSpare() {
        guard core.log.wantsSpare, spareAskedBy != core.log.segments.last?.name else { return }
        spareAskedBy = core.log.segments.last?.name
        let (spare, logger) = (core.log.spare, replica.logger)
        replica.aside {
            do { try spare.prepare() } catch { logger.info("no segment was prepared: \(error)") }
        }
    }
}
