import Bytes
import Host
import Raft
import Replica
import Store

extension Machine {
    /// Builds the state in memory from the storage, or from a snapshot's file.
    static func restore(
        _ storage: any MachineStorage, from path: String? = nil, _ options: ChainfireOptions, _ now: Instant
    ) throws(ChainfireError) -> State {
        do {
            var keyspace = Keyspace(cacheBytes: options.cacheBytes)
            let image = if let path {
                try storage.restore(from: path, valueBytesMax: options.cacheBytes) { keyspace.take($0) }
            } else {
                try storage.restore(valueBytesMax: options.cacheBytes) { keyspace.take($0) }
            }
            guard keyspace.revision <= image.mark.revision else {
                throw ChainfireError.corrupt(
                    file: path ?? storage.name,
                    "it holds revision \(keyspace.revision) but says that its newest is \(image.mark.revision)")
            }
            keyspace.restore(revision: image.mark.revision)
            var garbage = Fifo<ChangeID>()
            // What the compaction before the restart left to delete is found anew.
            for id in try keyspace.restore(compacted: image.mark.compacted) { garbage.append(id) }
            var state = State(
                keyspace: keyspace, hub: WatchHub(revision: image.mark.revision, limits: options.ring),
                lessor: Lessor(recordsEvery: options.leaseRecordsEvery), mark: image.mark,
                garbage: garbage, stored: image.mark.revision, storedIndex: image.mark.appliedIndex,
                // What is read may lie in the system's memory only, of a process that was killed. A snapshot's file was synced.
                durable: path == nil ? 0 : image.mark.appliedIndex)
            for (name, bytes) in image.facts {
                if let name = Facts.Name(rawValue: name) { try state.facts.read(name, bytes) } else if name.hasPrefix("lease/") {
                    try state.restoreLease(name, bytes, now)
                }
            }
            state.attachLeases()
            return state
        } catch let error as ChainfireError {
            throw error
        } catch {
            throw .corrupt(file: path ?? storage.name, "\(error)")
        }
    }

    package func snapshot(to path: String) throws -> SnapshotHead {
        try flush()
        return try Self.head(try storage.snapshot(to: path), path)
    }

    static func head(_ image: StorageImage, _ path: String) throws -> SnapshotHead {
        guard let configuration = try image.cluster().configuration else {
            throw ChainfireError.corrupt(file: path, "it does not say who the members are")
        }
        return SnapshotHead(
            position: Position(index: image.mark.appliedIndex, term: image.mark.appliedTerm), configuration: configuration)
    }

    package func prepare(_ path: String, _ head: SnapshotHead) throws {
        let fresh = try Self.restore(storage, from: path, options, now())
        guard let configuration = fresh.facts.configuration else {
            throw ChainfireError.corrupt(file: path, "it does not say who the members are")
        }
        let found = Position(index: fresh.mark.appliedIndex, term: fresh.mark.appliedTerm)
        guard SnapshotHead(position: found, configuration: configuration) == head else {
            throw ChainfireError.corrupt(file: path, "it holds entry \(found.index), not \(head.position.index) as its sender said")
        }
        guard fresh.facts.clusterID == identity.clusterID else {
            throw ChainfireError.mismatch(
                "the snapshot is of cluster \(hex(fresh.facts.clusterID)), this is \(hex(identity.clusterID))")
        }
        prepared.withLock { $0 = Prepared(path: path, state: fresh) }
    }

    package func discard(_ path: String) { prepared.withLock { if $0?.path == path { $0 = nil } } }

    package func install(_ path: String, _ head: SnapshotHead) throws {
        guard let prepared = prepared.withLock({ prepared in
            defer { prepared = nil }
            return prepared?.path == path ? prepared : nil
        }) else { throw ChainfireError.storage("the snapshot \(path) was not prepared") }
        // Nobody may meet the new database with the old memory, nor write what the old one left to do.
        let wakes = try withFlushing { try state.withLock { state in
            try storage.install(path)
            var fresh = prepared.state
            // Watchers stay; they read what they missed from the new history, or are told that it was compacted.
            fresh.hub = state.hub
            fresh.listeners = state.listeners
            fresh.isStopped = state.isStopped
            let awake = fresh.hub.restart(at: fresh.keyspace.revision)
            state = fresh
            isFull.store(false, ordering: .relaxed)
            publish(state)
            return state.listeners.wakes(of: awake)
        } }
        wakes.ring()
        tellMembers()
    }

    /// What is looked at without the lock. The revision only rises.
    func publish(_ state: borrowing State) {
        if state.keyspace.revision > revision.load(ordering: .relaxed) {
            revision.store(state.keyspace.revision, ordering: .releasing)
        }
        liveBytes.store(state.keyspace.liveBytes, ordering: .relaxed)
        hasSpaceAlarm.store(state.facts.hasAlarm(.noSpace), ordering: .relaxed)
        let alone = Self.isAlone(state.facts.configuration, identity.memberID)
        if !alone { hasRead.store(false, ordering: .releasing) }
        isAlone.store(alone, ordering: .releasing)
    }
}

extension Machine.State {
    static func factName(lease id: Int64) -> String { "lease/" + String(UInt64(bitPattern: id), radix: 16) }

    fileprivate mutating func restoreLease(_ name: String, _ bytes: [UInt8], _ now: Instant) throws {
        guard let number = UInt64(name.dropFirst("lease/".count), radix: 16) else {
            throw CommandProblem.malformed("the fact \(name)", offset: 0)
        }
        var input = ByteReader(bytes)
        lessor.restore(
            Int64(bitPattern: number), granted: try input.number(), remaining: try input.number(),
            renewed: try input.unsigned(), now: now)
    }

    fileprivate mutating func attachLeases() {
        guard !lessor.leases.isEmpty else { return }
        keyspace.view.records.forEach(in: .all) { key, record in
            if record.lease != 0, !record.latest.isDeleted { lessor.attach(key, to: record.lease) }
        }
    }
}
