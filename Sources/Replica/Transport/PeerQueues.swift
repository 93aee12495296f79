import NIOCore
import Synchronization

/// What waits for one member, by lane. Filled by the replica's thread, emptied by the transport's.
final class PeerQueues: Sendable {
    let peer: UInt64
    /// There is a connection for them.
    let isConnected = Atomic<Bool>(false)
    private let raft: Mutex<Outbox>
    private let bulk: Mutex<Outbox>

    init(peer: UInt64, raftBytesMax: Int, bulkBytesMax: Int, frameBytesMax: Int) {
        self.peer = peer
        raft = Mutex(Outbox(bytesMax: raftBytesMax, frameBytesMax: frameBytesMax))
        bulk = Mutex(Outbox(bytesMax: bulkBytesMax, frameBytesMax: frameBytesMax))
    }

    /// - Returns: how many messages were forgotten, this one among them when it is too large for a frame.
    func put(_ message: PeerMessage, now: NIODeadline) -> Int {
        if case .chunk = message.body { return with(.bulk) { $0.put(message, now: now) } }
        return with(.raft) { $0.put(message, now: now) }
    }

    func with<Result>(_ lane: Lane, _ body: (inout sending Outbox) -> sending Result) -> sending Result {
        switch lane {
        case .raft: raft.withLock(body)
        case .bulk: bulk.withLock(body)
        }
    }
}
