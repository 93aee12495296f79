import Raft

/// Decides what a leader sends to the members that need a snapshot. One file serves all who ask while it is in use;
/// none is replaced while a transfer of it is under way.
struct SnapshotSender: Sendable {
    struct Options: Sendable {
        var chunkBytes = UInt64(SnapshotChunk.bytesMax)
        /// Parts under way to one member.
        var window = 4
        /// Ticks without an answer after which the parts under way are sent again.
        var patience: UInt64 = 10
        /// Ticks without an answer after which a transfer is given up.
        var endurance: UInt64 = 200
    }

    struct Part: Hashable {
        var peer: UInt64
        var offset: UInt64
        var count: Int
    }

    enum Action: Hashable {
        /// A new snapshot is wanted.
        case make
        case send(Part)
        case ended(peer: UInt64, succeeded: Bool)
        /// The file is not needed any more.
        case discard(SnapshotFile)
    }

    private struct Transfer {
        var peer: UInt64
        /// All before arrived.
        var acked: UInt64 = 0
        /// The next to send.
        var next: UInt64 = 0
        /// Of the last answer, or of the last sending anew.
        var heard: UInt64
        var progressed: UInt64
    }

    private let options: Options
    private(set) var file: SnapshotFile?
    private(set) var isMaking = false
    /// Who waits for a file, sorted.
    private var waiting: [UInt64] = []
    /// Sorted by peer.
    private var transfers: [Transfer] = []
    /// Who was served from the file; one who asks again needs a newer one.
    private var served: [UInt64] = []
    private var notBefore: UInt64 = 0
    /// Who could not take what it was given, and until when it is given nothing else: that would be the same again, and each time the whole
    /// state is copied for it. By peer.
    private var refused: [UInt64: UInt64] = [:]

    init(options: Options = Options()) { self.options = options }

    var isIdle: Bool { waiting.isEmpty && transfers.isEmpty && file == nil && !isMaking }

    mutating func wanted(by peer: UInt64, now: UInt64) -> [Action] {
        guard !waiting.contains(peer), !transfers.contains(where: { $0.peer == peer }) else { return [] }
        waiting.append(peer)
        waiting.sort()
        return begin(now)
    }

    mutating func made(_ result: Result<SnapshotFile, ReplicaError>, now: UInt64) -> [Action] {
        isMaking = false
        switch result {
        case .success(let made):
            guard !waiting.isEmpty else { return [.discard(made)] }
            file = made
            served = []
            return begin(now)
        case .failure:
            defer { waiting = [] }
            // Who needs one asks again.
            notBefore = now + options.patience
            return waiting.map { .ended(peer: $0, succeeded: false) }
        }
    }

    mutating func answered(_ answer: SnapshotChunkAnswer, by peer: UInt64, now: UInt64) -> [Action] {
        guard let file, file.digest == answer.id, let at = transfers.firstIndex(where: { $0.peer == peer }) else { return [] }
        switch answer.verdict {
        case .next(let offset):
            guard offset <= file.bytes else { return [] }
            transfers[at].heard = now
            // It has all, and reads it.
            if offset == file.bytes { transfers[at].progressed = now }
            if offset > transfers[at].acked || offset < transfers[at].acked && offset == 0 {
                // Zero: the member began anew, as after a restart.
                transfers[at].acked = offset
                transfers[at].progressed = now
                if offset == 0 { transfers[at].next = 0 }
            }
            transfers[at].next = max(transfers[at].next, offset)
            return fill(at, file)
        case .busy:
            transfers[at].heard = now
            return []
        case .done:
            refused[peer] = nil
            return end(at, succeeded: true)
        case .failed:
            refused[peer] = now + options.endurance
            return end(at, succeeded: false)
        }
    }

    /// The connection broke: what was under way is sent again when the member is heard, or after a while.
    mutating func lost(_ peer: UInt64) {
        guard let at = transfers.firstIndex(where: { $0.peer == peer }) else { return }
        transfers[at].next = transfers[at].acked
    }

    mutating func tick(_ now: UInt64) -> [Action] {
        var actions: [Action] = []
        if let file {
            for transfer in transfers where transfer.progressed + options.endurance <= now {
                if let at = transfers.firstIndex(where: { $0.peer == transfer.peer }) { actions += end(at, succeeded: false) }
            }
            for at in transfers.indices where transfers[at].heard + options.patience <= now {
                transfers[at].heard = now
                transfers[at].next = transfers[at].acked
                actions += fill(at, file)
            }
        }
        return actions + begin(now)
    }

    /// This member leads no more.
    mutating func stop() -> [Action] {
        waiting = []
        transfers = []
        refused = [:]
        defer { file = nil }
        return file.map { [.discard($0)] } ?? []
    }

    private mutating func begin(_ now: UInt64) -> [Action] {
        refused = refused.filter { $0.value > now }
        let ready = waiting.filter { refused[$0] == nil }
        guard !ready.isEmpty else { return [] }
        var actions: [Action] = []
        if let file {
            for peer in ready where !served.contains(peer) {
                let at = transfers.firstIndex { $0.peer > peer } ?? transfers.endIndex
                transfers.insert(Transfer(peer: peer, heard: now, progressed: now), at: at)
                served.append(peer)
                actions += fill(at, file)
            }
            waiting.removeAll { peer in transfers.contains { $0.peer == peer } }
            guard ready.contains(where: waiting.contains), transfers.isEmpty else { return actions }
            actions.append(.discard(file))
            self.file = nil
        }
        if !isMaking, now >= notBefore {
            isMaking = true
            actions.append(.make)
        }
        return actions
    }

    /// At least one part, though it were empty: the member answers that it has all.
    private mutating func fill(_ at: Int, _ file: SnapshotFile) -> [Action] {
        var actions: [Action] = []
        let limit = transfers[at].acked + UInt64(options.window) * options.chunkBytes
        while transfers[at].next < min(limit, file.bytes) || file.bytes == 0 && actions.isEmpty {
            let offset = transfers[at].next
            let count = min(options.chunkBytes, file.bytes - offset)
            actions.append(.send(Part(peer: transfers[at].peer, offset: offset, count: Int(count))))
            transfers[at].next = offset + count
        }
        return actions
    }

    private mutating func end(_ at: Int, succeeded: Bool) -> [Action] {
        let peer = transfers.remove(at: at).peer
        var actions: [Action] = [.ended(peer: peer, succeeded: succeeded)]
        if transfers.isEmpty, waiting.isEmpty, let file {
            actions.append(.discard(file))
            self.file = nil
        }
        return actions
    }
}
