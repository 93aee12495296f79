import Bytes
import Host
import Raft

/// The file that says an installation is under way, `snapshot/installing`:
///
///      0  8  "PLASMASI"
///      8  8  index of the snapshot's last entry
///     16  8  its term
///     24  4  crc32c of all before
struct InstallationMark: Sendable {
    private let file: SmallFile

    init(_ directory: String, disk: any Disk) {
        file = SmallFile("installing", in: directory + "/snapshot", magic: "PLASMASI", disk: disk)
    }

    func read() throws(ReplicaError) -> Position? {
        guard let content = try file.read() else { return nil }
        var reader = ByteReader(content)
        guard let index = reader.read(UInt64.self), let term = reader.read(UInt64.self) else { return nil }
        return Position(index: index, term: term)
    }

    func write(_ position: Position) throws(ReplicaError) {
        var writer = ByteWriter()
        writer.write(position.index)
        writer.write(position.term)
        try file.write(writer.bytes)
    }

    func remove() throws(ReplicaError) { try file.remove() }
}

extension ReplicaCore {
    private var snapshotDirectory: String { directory + "/snapshot" }

    // MARK: sending

    mutating func carryOut(_ actions: [SnapshotSender.Action]) throws(ReplicaError) {
        for action in actions {
            switch action {
            case .make:
                snapshotNumber += 1
                outputs.makeSnapshot = "\(snapshotDirectory)/outgoing-\(snapshotNumber)"
            case .send(let part): send(part)
            case .ended(let peer, let succeeded):
                // Raft waits for this word, and asks for no write because of it.
                if raft.role == .leader { try absorb(raft.step(.snapshotSent(to: peer, succeeded: succeeded))) }
            case .discard(let file):
                outgoing = nil
                forget(file.path)
            }
        }
    }

    /// A part that cannot be read is not sent; the transfer ends by itself when nothing comes of it.
    private mutating func send(_ part: SnapshotSender.Part) {
        guard let file = sender.file else { return }
        do throws(DiskError) {
            let source = if let outgoing { outgoing } else { try disk.open(file.path, .read) }
            outgoing = source
            let bytes = try source.read(at: part.offset, count: part.count)
            guard bytes.count == part.count else { return }
            counts.snapshotBytesSent += bytes.count
            let chunk = SnapshotChunk(
                id: file.digest, head: file.head, term: raft.hardState.term, total: file.bytes, offset: part.offset,
                bytes: bytes, crc32c: CRC32C.checksum(bytes))
            outbox.append(PeerMessage(from: raft.id, to: part.peer, body: .chunk(chunk)))
        } catch {
            outgoing = nil
        }
    }

    // MARK: receiving

    mutating func receive(_ chunk: SnapshotChunk, from: UInt64, _ send: Send) throws(ReplicaError) {
        guard chunk.term < Self.numberMax, chunk.head.position.index < Self.numberMax, chunk.head.position.term <= chunk.term else {
            return drop()
        }
        guard chunk.term >= raft.hardState.term,
            let action = receiver.received(chunk, from: from, applied: applied.index, now: ticks)
        else { return }
        switch action {
        case .answer(let verdict):
            // Raft tells the leader how far this log goes: that is what it waits for, though nothing is installed.
            if verdict == .done { try absorb(raft.step(.received(Message(from: from, to: raft.id, term: chunk.term, body: .snapshot(chunk.head))))) }
            reply(chunk.id, verdict, to: from)
        case .begin, .keep:
            if action == .begin { beginIncoming() }
            guard let incoming else { return }
            let part = SnapshotPart(incoming: incoming, chunk: chunk, from: from)
            if options.snapshotsAside { return outputs.keepParts.append(part) }
            try kept(part, part.keep(for: machine), send)
        }
    }

    /// A part is in its file, or could not be put there.
    mutating func kept(_ part: SnapshotPart, _ outcome: SnapshotPart.Outcome, _ send: Send) throws(ReplicaError) {
        // It was given up meanwhile.
        guard part.incoming === incoming else { return }
        let chunk = part.chunk
        guard let (peer, verdict) = receiver.kept(chunk, now: ticks) else { return }
        switch outcome {
        case .kept:
            counts.snapshotBytesReceived += chunk.bytes.count
            reply(chunk.id, verdict, to: peer)
        case .whole:
            counts.snapshotBytesReceived += chunk.bytes.count
            let isDone = try complete(chunk, from: peer, send)
            giveUpIncoming()
            reply(chunk.id, isDone ? .done : .failed, to: peer)
        case .wrong, .noSpace:
            counts.dropped += 1
            giveUpIncoming()
            reply(chunk.id, .failed, to: peer)
        case .failed(let error): throw error
        }
    }

    private mutating func reply(_ id: UInt64, _ verdict: SnapshotChunkAnswer.Verdict, to peer: UInt64) {
        outbox.append(PeerMessage(from: raft.id, to: peer, body: .chunkAnswer(SnapshotChunkAnswer(id: id, verdict: verdict))))
    }

    private mutating func beginIncoming() {
        if let incoming { forget(incoming.path) }
        incomingNumber += 1
        incoming = IncomingSnapshot("\(snapshotDirectory)/incoming-\(incomingNumber)", disk: disk)
    }

    private mutating func giveUpIncoming() {
        if let incoming {
            machine.discard(incoming.path)
            forget(incoming.path)
        }
        incoming = nil
        receiver.end()
    }

    /// A machine may take long to read what was received; who sent it must not take that for silence.
    mutating func tickIncoming() {
        guard let (peer, id, verdict) = receiver.waiting, ticks % UInt64(options.electionTicks) == 0 else { return }
        reply(id, verdict, to: peer)
    }

    /// The whole file is here and right: Raft decides whether it is wanted. True unless there was no room for that.
    private mutating func complete(_ chunk: SnapshotChunk, from: UInt64, _ send: Send) throws(ReplicaError) -> Bool {
        // What Raft asked for before is done first.
        try finish(send)
        let mark = InstallationMark(directory, disk: disk)
        do throws(ReplicaError) {
            if isStuck { throw .noSpace }
            // The log begins anew when the machine has the new state: then it is too late to find that there is no room.
            try log.reserveAnew()
            try mark.write(chunk.head.position)
        } catch .noSpace {
            counts.dropped += 1
            return false
        } catch {
            throw error
        }
        let message = Message(from: from, to: raft.id, term: chunk.term, body: .snapshot(chunk.head))
        try absorb(raft.step(.received(message)))
        try mark.remove()
        return true
    }

    /// Raft wants what the incoming file holds. A crash at any point leaves the old state and log, or the new state
    /// and a mark by which the log is begun anew.
    mutating func restore(_ head: SnapshotHead) throws(ReplicaError) {
        pendingEntries = []
        pendingBytes = 0
        if let save = pendingSave {
            do throws(ReplicaError) { try log.append([], save: save) } catch { throw .storage("could not save a term: \(error)") }
            pendingSave = nil
        }
        guard let incoming else { preconditionFailure("a snapshot of entry \(head.position.index) is wanted, but none came") }
        do { try machine.install(incoming.path, head) } catch {
            throw .storage("could not install the snapshot of entry \(head.position.index): \(error)")
        }
        do throws(ReplicaError) { try log.restore(after: head.position) } catch {
            throw .storage("could not begin the log anew after entry \(head.position.index): \(error)")
        }
        counts.snapshotsInstalled += 1
        unapplied = []
        configured = []
        applied = head.position
        committed = max(committed, head.position.index)
        mustConfirm = true
        takeTurns()
        for id in proposals.unknown(through: head.position.term) { answer(id, .timedOut) }
    }

    private func forget(_ path: String) {
        do throws(DiskError) { try disk.remove(path) } catch {
            // Nothing is read from it again, and the next start removes it.
        }
    }
}
