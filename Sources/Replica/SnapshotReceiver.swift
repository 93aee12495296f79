import Bytes
import Raft

/// Decides what a member does with the parts of a snapshot. One at a time: another one is taken only when nothing
/// came of the one at hand for a while.
struct SnapshotReceiver: Sendable {
    enum Action: Hashable {
        case answer(SnapshotChunkAnswer.Verdict)
        /// Begin the file, empty; then as `keep`.
        case begin
        /// Write the chunk at its offset, then call `kept`.
        case keep
    }

    private struct Incoming {
        var id: UInt64
        var from: UInt64
        var head: SnapshotHead
        var total: UInt64
        /// Taken up to here.
        var next: UInt64 = 0
        /// In the file up to here.
        var kept: UInt64 = 0
        var heard: UInt64

        var isWhole: Bool { next == total }
    }

    /// Ticks without progress after which another snapshot may take the place.
    private let patience: UInt64
    private var incoming: Incoming?

    /// Most bytes that were taken and wait to be written.
    private static let unkeptBytesMax = UInt64(16 * SnapshotChunk.bytesMax)

    init(patience: UInt64) { self.patience = patience }

    var isReceiving: Bool { incoming != nil }

    /// Who waits for the end of what is being read or installed, and what it is told meanwhile, so that it does not give up.
    var waiting: (peer: UInt64, id: UInt64, verdict: SnapshotChunkAnswer.Verdict)? {
        guard let incoming, incoming.isWhole else { return nil }
        return (incoming.from, incoming.id, .next(incoming.total))
    }

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
            guard chunk.offset == current.next, !chunk.bytes.isEmpty, current.next - current.kept < Self.unkeptBytesMax else {
                return .answer(.next(current.kept))
            }
            return take(chunk, now, .keep)
        }
        if let current = incoming, current.next > current.kept || current.isWhole || current.heard + patience > now {
            return .answer(.busy)
        }
        guard chunk.offset == 0, !chunk.bytes.isEmpty || chunk.total == 0 else { return .answer(.next(0)) }
        incoming = Incoming(id: chunk.id, from: from, head: chunk.head, total: chunk.total, heard: now)
        return take(chunk, now, .begin)
    }

    private mutating func take(_ chunk: SnapshotChunk, _ now: UInt64, _ action: Action) -> Action {
        incoming?.next += UInt64(chunk.bytes.count)
        incoming?.heard = now
        return action
    }

    /// The chunk is in the file.
    /// - Returns: who is to be told how far the file goes.
    mutating func kept(_ chunk: SnapshotChunk, now: UInt64) -> (peer: UInt64, verdict: SnapshotChunkAnswer.Verdict)? {
        guard incoming != nil else { return nil }
        incoming?.kept += UInt64(chunk.bytes.count)
        incoming?.heard = now
        return incoming.map { ($0.from, .next($0.kept)) }
    }

    /// It is installed, or given up.
    mutating func end() { incoming = nil }
}
