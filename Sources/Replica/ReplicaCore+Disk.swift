import Host
import Raft

extension ReplicaCore {
    /// Tries again what the disk refused, and keeps room for what Raft writes by itself.
    mutating func unstick(_ send: Send) throws(ReplicaError) {
        if isRefused { try persist(send) }
        guard !isRefused, pendingEntries.isEmpty, pendingSave == nil else { return }
        do throws(ReplicaError) {
            try log.reserveSlack()
            lacksSlack = false
        } catch .noSpace {
            lacksSlack = true
            fullSince = fullSince ?? ticks
        } catch { throw error }
    }

    /// Whether records of so many bytes can be written without asking the disk for space. Writes what is pending
    /// where they would not share a batch.
    mutating func makeRoom(_ bytes: Int, replacing: Bool, _ send: Send) throws(ReplicaError) -> Bool {
        if isStuck { return false }
        if replacing || pendingBytes + bytes > batchBytesMax { try persist(send) }
        if isStuck { return false }
        do throws(ReplicaError) {
            try log.reserve(pendingBytes + bytes, replacing: replacing)
            isShort = false
            // Room for this says little while others are refused.
            if fullSince != nil, refusedAt + UInt64(options.electionTicks) <= ticks { fullSince = nil }
            return true
        } catch .noSpace {
            fullSince = fullSince ?? ticks
            refusedAt = ticks
            isShort = true
            return false
        } catch {
            throw error
        }
    }

    /// Takes note of entries to write. Those from the first one's index on are replaced.
    mutating func add(_ entries: [Entry]) {
        let first = entries[0].index
        while let last = pendingEntries.last, last.index >= first {
            pendingEntries.removeLast()
            pendingBytes -= RecordHeader.span(last.bytes.count)
        }
        while let last = unapplied.last, last.index >= first { unapplied.removeLast() }
        pendingEntries += entries
        unapplied += entries
        for entry in entries { pendingBytes += RecordHeader.span(entry.bytes.count) }
    }

    /// Writes, applies and answers until nothing is left to do.
    mutating func finish(_ send: Send) throws(ReplicaError) {
        repeat {
            try persist(send)
            // Who waits for what was written need not wait until it is applied, too.
            flush(send)
            try apply()
            try finishRepair()
        } while !isStuck && (mustConfirm || pendingSave != nil || !pendingEntries.isEmpty)
        flush(send)
    }

    /// What may leave before the write leaves before it.
    mutating func persist(_ send: Send) throws(ReplicaError) {
        while mustConfirm || pendingSave != nil || !pendingEntries.isEmpty {
            flush(send)
            if pendingSave != nil || !pendingEntries.isEmpty {
                do throws(ReplicaError) {
                    try log.append(pendingEntries, save: pendingSave)
                } catch .noSpace {
                    isRefused = true
                    fullSince = fullSince ?? ticks
                    return
                } catch {
                    throw error
                }
            }
            isRefused = false
            mustConfirm = false
            pendingEntries.removeAll(keepingCapacity: true)
            pendingBytes = 0
            pendingSave = nil
            try absorb(raft.step(.persisted(log.hardState, through: log.last)))
        }
        isRefused = false
    }

    mutating func flush(_ send: Send) {
        guard !outbox.isEmpty else { return }
        send(outbox)
        outbox.removeAll(keepingCapacity: true)
    }

    /// Gives the machine what is committed, and answers who proposed it.
    mutating func apply() throws(ReplicaError) {
        while let next = unapplied.first, next.index <= committed {
            // A long replay goes to the machine in parts, each perhaps a transaction of its own.
            var commands: [Command] = []
            var ids: [UInt64?] = []
            var count = 0
            while count < min(4096, unapplied.count), unapplied[count].index <= committed {
                let entry = unapplied[count]
                count += 1
                bytesSinceCheckpoint += RecordHeader.span(entry.bytes.count)
                // Those of earlier terms before it are ended by now.
                if entry.term > applied.term { proposals.passed(term: entry.term) }
                applied = entry.position
                guard let (command, number) = command(entry) else { continue }
                commands.append(command)
                ids.append(number.flatMap { proposals.end($0) })
            }
            unapplied.removeFirst(count)
            commandsSinceCheckpoint += commands.count
            if !commands.isEmpty { try give(commands, ids) }
        }
        for id in reads.applied(applied.index) { outputs.reads.append((id, .success(()))) }
    }

    private mutating func give(_ commands: [Command], _ ids: [UInt64?]) throws(ReplicaError) {
        let some: [Machine.Output]
        do { some = try machine.apply(commands) } catch {
            throw .storage("could not apply entries up to \(commands[commands.count - 1].index): \(error)")
        }
        precondition(some.count == commands.count, "the machine gave \(some.count) outputs for \(commands.count) commands")
        for at in ids.indices {
            if let id = ids[at] { outputs.answers.append((id, .success(some[at]))) }
        }
    }

    /// What an entry is to the machine, and the proposal it was here. Nil: nothing.
    private mutating func command(_ entry: Entry) -> (Command, number: UInt64?)? {
        switch entry.kind {
        case .command:
            // The machine counts every entry: a snapshot that lacks the last no-op would not help a member that
            // lacks nothing but this no-op, and which nobody keeps any more.
            let nothing = Command(index: entry.index, term: entry.term, bytes: [])
            guard let (run, number) = Proposals.Header.read(entry.bytes) else { return (nothing, nil) }
            // What the machine wanted in another term came too late.
            if run == 0, number != entry.term { return (nothing, nil) }
            let bytes = Array(entry.bytes[Proposals.Header.size...])
            return (Command(index: entry.index, term: entry.term, bytes: bytes), run == proposals.run ? number : nil)
        case .configuration:
            while let first = configured.first, first.index < entry.index { configured.removeFirst() }
            guard let change = configured.first, change.index == entry.index else { return nil }
            configured.removeFirst()
            let header = Proposals.Header.read(change.context)
            let bytes = header == nil ? [] : Array(change.context[Proposals.Header.size...])
            let command = Command(
                index: entry.index, term: entry.term, bytes: bytes, configuration: change.configuration)
            return (command, header?.run == proposals.run ? header?.number : nil)
        }
    }

    /// Makes a checkpoint and cuts the log when enough was written since the last.
    mutating func checkpointIfDue(factor: Int) throws(ReplicaError) {
        guard bytesSinceCheckpoint >= factor * options.checkpointBytes
            || commandsSinceCheckpoint >= factor * options.checkpointCommands
        else { return }
        guard options.checkpointsAside else { return try checkpoint() }
        guard !isCheckpointing else { return }
        isCheckpointing = true
        // What is beyond counts for the next: members keep their places in the round, however they took the entries.
        let (bytes, commands) = (options.checkpointBytes, options.checkpointCommands)
        bytesSinceCheckpoint = bytesSinceCheckpoint < bytes ? 0 : bytesSinceCheckpoint % bytes
        commandsSinceCheckpoint = commandsSinceCheckpoint < commands ? 0 : commandsSinceCheckpoint % commands
        outputs.makeCheckpoint = true
    }

    mutating func checkpoint() throws(ReplicaError) {
        bytesSinceCheckpoint = 0
        commandsSinceCheckpoint = 0
        try cut(Self.makeCheckpoint(of: machine))
    }

    static func makeCheckpoint(of machine: Machine) -> Result<UInt64, ReplicaError> {
        do { return .success(try machine.checkpoint()) } catch DiskError.noSpace {
            return .failure(.noSpace)
        } catch ReplicaError.noSpace {
            return .failure(.noSpace)
        } catch {
            return .failure(.storage("could not make a checkpoint: \(error)"))
        }
    }

    /// A disk that has no room for it now has some later; the log is kept as long.
    mutating func cut(_ checkpoint: Result<UInt64, ReplicaError>) throws(ReplicaError) {
        isCheckpointing = false
        switch checkpoint {
        case .success(let index): try log.cut(through: min(index, applied.index))
        case .failure(.noSpace): return
        case .failure(let error): throw error
        }
    }
}
