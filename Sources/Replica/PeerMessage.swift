import Raft

/// What members send each other.
package struct PeerMessage: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case raft(Message)
        case chunk(SnapshotChunk)
        case chunkAnswer(SnapshotChunkAnswer)
        /// The sender's disk has no room for entries.
        case full
    }

    package var from: UInt64
    package var to: UInt64
    package var body: Body

    package init(from: UInt64, to: UInt64, body: Body) {
        self.from = from
        self.to = to
        self.body = body
    }
}

/// A part of a snapshot's file.
package struct SnapshotChunk: Hashable, Sendable {
    package static let bytesMax = 256 << 10

    /// The digest of the whole file.
    package var id: UInt64
    package var head: SnapshotHead
    /// The sender's term.
    package var term: UInt64
    /// Bytes of the whole file.
    package var total: UInt64
    package var offset: UInt64
    package var bytes: [UInt8]
    /// Of `bytes`.
    package var crc32c: UInt32

    package init(
        id: UInt64, head: SnapshotHead, term: UInt64, total: UInt64, offset: UInt64, bytes: [UInt8], crc32c: UInt32
    ) {
        self.id = id
        self.head = head
        self.term = term
        self.total = total
        self.offset = offset
        self.bytes = bytes
        self.crc32c = crc32c
    }
}

package struct SnapshotChunkAnswer: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        /// All before this offset arrived; send what is there next.
        case next(UInt64)
        /// The whole file arrived, was found right and is installed, or is not needed any more.
        case done
        /// Another snapshot is on its way to this member; try again later.
        case busy
        /// It could not be kept, or was not what its digest says. Begin anew, with a new one.
        case failed
    }

    package var id: UInt64
    package var verdict: Verdict

    package init(id: UInt64, verdict: Verdict) {
        self.id = id
        self.verdict = verdict
    }
}

extension PeerMessage {
    /// It is a step of one write at most, as far as it tells.
    var isLone: Bool {
        guard case .raft(let message) = body else { return true }
        return switch message.body {
        case .append(_, let entries, _): entries.count <= 1
        case .forward(_, let proposals): proposals.count <= 1
        default: true
        }
    }
}
