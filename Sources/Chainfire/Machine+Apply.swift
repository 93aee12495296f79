import Host
import Raft
import Replica
import Store

extension Machine {
    package func apply(_ commands: [Command]) throws -> [Outcome] {
        let start = ContinuousClock.now
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(commands.count)
        let now = now()
        let (wakes, waiting, hasMembers) = try state.withLock { state in
            var awake: [UInt64] = []
            var hasMembers = false
            let forgettable = state.keyspace.forgettable
            do {
                for command in commands {
                    let (outcome, woken) = try state.apply(command, identity, now, storage)
                    outcomes.append(outcome)
                    awake += woken
                    if command.configuration != nil || state.membersChanged { hasMembers = true }
                    state.membersChanged = false
                }
            } catch {
                // The process ends, but others go on until then.
                (state.isBroken, state.isStopped) = (true, true)
                throw error
            }
            // Twice what came: what a compaction left is gone before the next one.
            state.forget(atMost: 2 * (state.keyspace.forgettable - forgettable) + commands.count)
            let wakes = state.listeners.wakes(of: awake)
            // Before the lock goes: whoever is told of an outcome sees all of it.
            publish(state)
            return (wakes, state.backlog.bytes, hasMembers)
        }
        wakes.ring()
        if hasMembers { tellMembers() }
        try bound(backlog: waiting)
        metrics.commits.increment(by: commands.count)
        metrics.applySeconds.record(duration: ContinuousClock.now - start)
        return outcomes
    }

    package func due(_ now: Instant, _ leadership: Leadership) -> [[UInt8]] {
        state.withLock { state in
            guard !state.isStopped else { return [] }
            var commands: [StoreCommand] = []
            if !state.facts.isFounded {
                commands.append(.founded(clusterID: state.facts.clusterID, state.facts.sortedMembers))
            }
            // Nothing that a lease holds may go while the members are known to differ.
            if !state.facts.hasAlarm(.corrupt) { commands += state.lessor.due(now, leadership) }
            let compacted = max(state.keyspace.compacted, state.compactionProposed)
            if let wanted = options.compaction.due(revision: state.keyspace.revision, compacted: compacted) {
                state.compactionProposed = wanted
                commands.append(.compaction(wanted))
            } else if state.compactionProposed > state.keyspace.compacted + 4 * max(1, options.compaction.keep ?? 1) {
                state.compactionProposed = 0
            }
            if let alarm = state.alarmDue(options, identity.memberID) { commands.append(alarm) }
            return commands.map(\.encoded)
        }
    }
}

extension Machine.State {
    /// - Throws: what loading throws, or `CommandProblem`: then the process must end.
    mutating func apply(
        _ command: Command, _ identity: StoreIdentity, _ now: Instant, _ storage: any MachineStorage
    ) throws -> (Machine.Outcome, woken: [UInt64]) {
        precondition(command.index > mark.appliedIndex, "entry \(command.index) after \(mark.appliedIndex)")
        mark.appliedIndex = command.index
        mark.appliedTerm = command.term
        lessor.see(term: command.term, now: now)
        var (outcome, woken): (Machine.Outcome, [UInt64]) = (.done, [])
        do {
            if !command.bytes.isEmpty {
                (outcome, woken) = try apply(
                    try StoreCommand(decoding: command.bytes), command.index, changes: command.configuration != nil, identity, now, storage)
            }
        } catch let refusal as StoreError {
            outcome = .refused(refusal)
        } catch let problem as CommandProblem {
            throw ChainfireError.mismatch("entry \(command.index) of the log is \(problem)")
        }
        if let configuration = command.configuration {
            facts.follow(configuration)
            touch(.configuration)
            touch(.members)
        }
        return (outcome, woken)
    }

    private mutating func apply(
        _ command: StoreCommand, _ index: UInt64, changes: Bool, _ identity: StoreIdentity, _ now: Instant,
        _ storage: any MachineStorage
    ) throws -> (Machine.Outcome, woken: [UInt64]) {
        if facts.hasAlarm(.corrupt), command.changesState { throw Keyspace.corruptCluster }
        switch command {
        case .transaction(let transaction):
            guard !facts.hasAlarm(.noSpace) || !transaction.mayGrow else { throw StoreError.noSpace }
            let applied = try Self.carryOut(transaction, &keyspace, lessor, backlog, storage)
            return (.committed(applied.result), take(applied))
        case .compaction(let revision):
            try keyspace.compact(through: revision)
            mark.compacted = revision
            hub.forgetPages()
            return (.done, [])
        case .leaseGrant(let id, let ttl):
            try lessor.grant(id, ttl: ttl, index: index, now: now)
            touch(lease: id)
            return (.done, [])
        case .leasesRevoke(let ids):
            var woken: [UInt64] = []
            guard ids.contains(where: { lessor.leases[$0] != nil }) else { throw Keyspace.leaseNotFound }
            for id in ids { woken += try end(id, storage) }
            return (.done, woken)
        case .leasesEnd(let sights):
            var woken: [UInt64] = []
            for sight in sights where lessor.isCurrent(sight) { woken += try end(sight.id, storage) }
            return (.done, woken)
        case .leasesRenew(let ids):
            let granted = ids.map { lessor.renew($0, index: index, now: now) }
            for (id, seconds) in zip(ids, granted) where seconds != nil { touch(lease: id) }
            return (.renewed(granted), [])
        case .leasesRecord(let times):
            for time in times where lessor.record(time.sight, remaining: time.seconds, now: now) { touch(lease: time.sight.id) }
            return (.done, [])
        default:
            try facts.apply(command, changes: changes, identity)
            membersChanged = true
            for name in [Facts.Name.cluster, .members, .alarms] { touch(name) }
            return (.done, [])
        }
    }

    /// Forgets some of what was compacted away.
    mutating func forget(atMost most: Int) {
        for id in keyspace.forget(atMost: most) where !backlog.drop(id) { garbage.append(id) }
    }

    /// Takes in the effects of a revision.
    private mutating func take(_ applied: Keyspace.Applied) -> [UInt64] {
        guard !applied.changes.isEmpty else { return [] }
        mark.revision = keyspace.revision
        backlog.append(applied.changes)
        if !lessor.leases.isEmpty {
            for event in applied.events {
                switch event {
                case .put(let entry, let previous):
                    guard entry.lease != previous?.lease ?? 0 else { continue }
                    lessor.detach(entry.key, from: previous?.lease ?? 0)
                    lessor.attach(entry.key, to: entry.lease)
                case .delete(let key, _, let previous): lessor.detach(key, from: previous?.lease ?? 0)
                }
            }
        }
        return hub.tell(keyspace.revision, applied.events)
    }

    /// A lease goes, and its keys with it in one revision.
    private mutating func end(_ id: Int64, _ storage: any MachineStorage) throws -> [UInt64] {
        guard let keys = lessor.remove(id) else { return [] }
        touch(lease: id)
        // More than a revision can hold are as many revisions.
        var woken: [UInt64] = []
        for start in stride(from: 0, to: keys.count, by: ChangeID.changesMax) {
            let part = Array(keys[start..<min(start + ChangeID.changesMax, keys.count)])
            woken += take(try Self.delete(part, &keyspace, backlog, storage))
        }
        return woken
    }

    /// The parts of the state one by one: nothing is copied that is changed soon after.
    private static func carryOut(
        _ transaction: Transaction, _ keyspace: inout Keyspace, _ lessor: Lessor, _ backlog: Backlog,
        _ storage: any MachineStorage
    ) throws -> Keyspace.Applied {
        try keyspace.apply(transaction, leaseExists: { lessor.leases[$0] != nil }) {
            try Machine.load($0, backlog, storage)
        }
    }

    private static func delete(
        _ keys: [Key], _ keyspace: inout Keyspace, _ backlog: Backlog, _ storage: any MachineStorage
    ) throws -> Keyspace.Applied {
        try keyspace.delete(keys) { try Machine.load($0, backlog, storage) }
    }

    mutating func touch(_ name: Facts.Name) { dirty[name.rawValue] = .some(facts.encoded(name)) }

    private mutating func touch(lease id: Int64) { dirty[Self.factName(lease: id)] = .some(lessor.leases[id]?.encoded) }

    /// The alarm that the leader wants raised or cleared. It is cleared a tenth below the quota, so that it does not
    /// come and go with every write.
    fileprivate func alarmDue(_ options: ChainfireOptions, _ member: UInt64) -> StoreCommand? {
        guard options.quotaBytes > 0 else { return nil }
        let raised = facts.alarms.filter { $0.kind == .noSpace }.sorted()
        if raised.isEmpty {
            guard keyspace.liveBytes >= options.quotaBytes else { return nil }
            return .alarm(isRaised: true, Alarm(memberID: member, kind: .noSpace))
        }
        guard let alarm = raised.first, keyspace.liveBytes < options.quotaBytes / 10 * 9 else { return nil }
        return .alarm(isRaised: false, alarm)
    }
}

extension Facts {
    /// - Parameter changes: whether the members themselves change with it. Where they do not, who was removed meanwhile
    ///   does not come back.
    /// - Throws: `ChainfireError` when this log is another cluster's.
    fileprivate mutating func apply(_ command: StoreCommand, changes: Bool, _ identity: StoreIdentity) throws {
        switch command {
        case .members(let records):
            for var record in records where changes || members[record.id] != nil {
                // What a member has told of itself nobody else takes back, who read it before.
                if let known = members[record.id] {
                    if known.incarnation != 0 { record.incarnation = known.incarnation }
                    if !known.name.isEmpty { record.name = known.name }
                    record.clientURLs = known.clientURLs
                }
                members[record.id] = record
            }
        case .alarm(let isRaised, let alarm): if isRaised { alarms.insert(alarm) } else { alarms.remove(alarm) }
        case .founded(let cluster, let records):
            guard cluster == identity.clusterID else {
                throw ChainfireError.mismatch("""
                    the log is of cluster \(hex(cluster)), but this member is of cluster \(hex(identity.clusterID)); \
                    join it anew with an empty directory
                    """)
            }
            isFounded = true
            for record in records where members[record.id] == nil { members[record.id] = record }
        case .published(let member, let name, let urls, let incarnation):
            guard var record = members[member] else { throw StoreError.missing("etcdserver: member not found") }
            guard incarnation == 0 || record.incarnation == 0 || incarnation == record.incarnation else {
                throw StoreError.precondition(
                    "etcdserver: member \(hex(member)) has another disk than before",
                    detail: "\(hex(incarnation)) came, known is \(hex(record.incarnation)); replace that member")
            }
            (record.name, record.clientURLs) = (name, urls)
            if incarnation != 0 { record.incarnation = incarnation }
            members[member] = record
        case .transaction, .compaction, .leaseGrant, .leasesRevoke, .leasesRenew, .leasesEnd, .leasesRecord: break
        }
        // The configuration says who votes, also when a record was written before it.
        if let configuration { for id in members.keys { members[id]?.isLearner = configuration.isLearner(id) } }
    }
}
