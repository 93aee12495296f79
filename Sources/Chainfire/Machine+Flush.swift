import Host
import Store
import Synchronization

extension Machine {
    /// Versions forgotten under one lock: bounds how long a compaction holds up what is applied.
    private static let forgottenMax = 100
    /// Bytes that wait before they are written without being asked for.
    private static let bytesWanted = 16 << 20
    /// Bytes that wait before the log must wait for them.
    private static let bytesBound = 64 << 20
    /// Bytes that wait before a member with a full disk gives up: its log has them.
    private static let bytesMax = 512 << 20

    /// Whether `flush` would find something to do.
    var hasUnwritten: Bool { state.withLock { $0.isUnwritten || $0.keyspace.hasCompacted } }

    /// Writes what waits, in one transaction. A full disk is no error: what waits goes on waiting, and the next call
    /// tries again.
    /// - Returns: whether all that was applied when it was called is in the storage now.
    @discardableResult
    package func flush() throws -> Bool {
        try withFlushing {
            forgetAll()
            let (start, rests) = (ContinuousClock.now, BackgroundThread.rests ?? 0)
            guard var (batch, rows) = try state.withLock({ state in
                guard !state.isBroken else { throw ChainfireError.storage("an entry could not be applied: nothing is written any more") }
                return state.takeBatch(options.garbageAtOnce)
            }) else { return true }
            // Outside the lock, as is letting go of them in the end: there may be many.
            batch.rows = rows.compactMap(\.change)
            defer { rows = [] }
            do {
                try storage.write(batch)
                state.withLock { $0.written(batch) }
                isFull.store(false, ordering: .relaxed)
            } catch ChainfireError.full {
                state.withLock { $0.putBack(batch) }
                isFull.store(true, ordering: .relaxed)
                return false
            } catch {
                state.withLock { $0.putBack(batch) }
                throw error
            }
            flushes.add(1, ordering: .relaxed)
            metrics.flushedRows.increment(by: batch.rows.count)
            // That others had the disk meanwhile says nothing of the disk.
            let rested = BackgroundThread.restTime * ((BackgroundThread.rests ?? 0) - rests)
            metrics.flushSeconds.record(duration: max(.zero, ContinuousClock.now - start - rested))
            return true
        }
    }

    /// Forgets what was compacted away: before a flush, so that it need not be written. Others go on in between.
    func forgetAll() {
        while state.withLock({ state in
            state.forget(atMost: Self.forgottenMax)
            return state.keyspace.hasCompacted
        }) {}
    }

    package func checkpoint() throws -> UInt64 {
        guard try flush() else { return state.withLock { $0.durable } }
        // Applying goes on meanwhile only where this is not called from its thread; what is stored only grows.
        return try withFlushing {
            let index = state.withLock { $0.storedIndex }
            do {
                try storage.checkpoint()
            } catch ChainfireError.full {
                isFull.store(true, ordering: .relaxed)
                return state.withLock { state in
                    state.isFull = true
                    return state.durable
                }
            }
            return state.withLock { state in
                state.durable = index
                return index
            }
        }
    }

    /// Deletes from the storage what no one can read any more, all of it.
    func deleteGarbage() throws {
        while state.withLock({ !$0.garbage.isEmpty || $0.keyspace.hasCompacted }) { guard try flush() else { return } }
    }

    /// Sees to it that what waits does not grow beyond all bounds.
    func bound(backlog bytes: Int) throws {
        guard bytes > Self.bytesWanted else { return }
        guard hasBackground, bytes < Self.bytesBound else {
            // The flush may have found that much of it need not be written.
            if try !flush(), state.withLock({ $0.backlog.bytes }) > Self.bytesMax { throw ChainfireError.full(storage.name) }
            return
        }
        guard !flushIsAsked.exchange(true, ordering: .acquiring) else { return }
        BackgroundThread.run("chainfire flush", yields: false) { [self] in
            flushIsAsked.store(false, ordering: .releasing)
            // What could not be written is tried again at the next checkpoint, whose error ends the process.
            _ = try? flush()
        }
    }

    /// Reads one row, wherever it is.
    static func load(_ id: ChangeID, _ backlog: Backlog, _ storage: any MachineStorage) throws -> Change {
        if let change = backlog[id] { return change }
        guard let change = try storage.load(id) else {
            throw ChainfireError.corrupt(
                file: storage.name, "row \(id.number) of its table `history` (revision \(id.revision)) is missing")
        }
        return change
    }
}

extension Machine.State {
    fileprivate var isUnwritten: Bool {
        !backlog.isEmpty || !dirty.isEmpty || !garbage.isEmpty || storedIndex != mark.appliedIndex || isFull
    }

    /// What is to be written now; nil when everything is stored.
    fileprivate mutating func takeBatch(_ garbageAtOnce: Int) -> (StorageBatch, [Backlog.Row])? {
        guard isUnwritten else { return nil }
        var batch = StorageBatch(mark: mark)
        // Bounds how long a compaction holds up the storage; twice what comes, or it would grow for ever.
        let garbageMax = max(garbageAtOnce, 2 * backlog.count)
        // A row is deleted only after it was written, and a tombstone only after what it deleted: they come in that order.
        while batch.garbage.count < garbageMax, let id = garbage.first, id.revision <= stored, let next = garbage.popFirst() {
            batch.garbage.append(next)
        }
        batch.facts = dirty.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        dirty = [:]
        return (batch, backlog.begin())
    }

    fileprivate mutating func written(_ batch: StorageBatch) {
        backlog.end(isWritten: true)
        stored = batch.mark.revision
        storedIndex = batch.mark.appliedIndex
        isFull = false
    }

    fileprivate mutating func putBack(_ batch: StorageBatch) {
        backlog.end(isWritten: false)
        for (name, bytes) in batch.facts where dirty[name] == nil { dirty[name] = .some(bytes) }
        var rest = Fifo<ChangeID>()
        for id in batch.garbage { rest.append(id) }
        while let id = garbage.popFirst() { rest.append(id) }
        garbage = rest
        isFull = true
    }
}
