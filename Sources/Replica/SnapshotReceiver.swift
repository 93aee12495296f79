import Bytes
import Raft

/// Decides what a member does with the parts of a snapshot. One at a time: another one is taken only when nothing
/// came of the one at hand for a while.
struct SnapshotReceiver: Sendable {
    enum Action: Hashable {
        case answer(SnapshotChunkAnswer.Verdict)
        /// Begin the file, empty; then as `write`.
        case begin
        /// Write the chunk at its offset, then call `written`.
        case write
    }

    enum Progress: Hashable {
        case next(UInt64)
        /// The file is whole and right.
        case complete
        /// The file is whole and not what was sent.
        case wrong
    }

    private struct Incoming {
        var id: UInt64
        var from: UInt64
        var head: SnapshotHead
        var total: UInt64
        var next: UInt64 = 0
        var digest = Digest()
        var heard: UInt64
    }

    /// Ticks without progress after which another snapshot may take the place.
    private let patience: UInt64
    private var incoming: Incoming?

    init(patience: UInt64) { self.patience = patience }

    var isReceiving: Bool { incoming != nil }

    /// - Parameter applied: what the machine holds already.
    mutating func received(_ chunk: SnapshotChunk, from: UInt64, applied: UInt64, now: UInt64) -> Action? {
        guard UInt64(chunk.bytes.count) <= UInt64(SnapshotChunk.bytesMax), chunk.offset <= chunk.total,
            UInt64(chunk.bytes.count) <= chunk.total - chunk.offset, CRC32C.checksum(chunk.bytes) == chunk.crc32c
        else { return nil }
        if chunk.head.position.index <= applied { return .answer(.done) }
        if var current = incoming, current.id == chunk.id, current.head == chunk.head, current.total == chunk.total {
            // Whoever sends it now: the same file.
            current.from = from
            incoming = current
            guard chunk.offset == current.next, !chunk.bytes.isEmpty || chunk.total == 0 else { return .answer(.next(current.next)) }
            incoming?.heard = now
            return .write
        }
        if let current = incoming, current.heard + patience > now { return .answer(.busy) }
        guard chunk.offset == 0 else { return .answer(.next(0)) }
        incoming = Incoming(id: chunk.id, from: from, head: chunk.head, total: chunk.total, heard: now)
        return .begin
    }

    /// The chunk is in the file.
    mutating func written(_ chunk: SnapshotChunk) -> Progress {
        guard var current = incoming else { return .wrong }
        current.digest.add(chunk.bytes)
        current.next += UInt64(chunk.bytes.count)
        incoming = current
        guard current.next == current.total else { return .next(current.next) }
        incoming = nil
        return current.digest.value == current.id ? .complete : .wrong
    }

    mutating func giveUp() { incoming = nil }
}
