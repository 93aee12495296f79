import Synchronization

/// Finds a member's queues, from any thread.
final class PeerDirectory: Sendable {
    private let queues = Mutex<[UInt64: PeerQueues]>([:])
    private let options: PeerTransportOptions

    init(_ options: PeerTransportOptions) { self.options = options }

    subscript(peer: UInt64) -> PeerQueues? { queues.withLock { $0[peer] } }

    func add(_ peer: UInt64) -> PeerQueues {
        queues.withLock { queues in
            if let there = queues[peer] { return there }
            let new = PeerQueues(
                peer: peer, raftBytesMax: options.queueBytesMaxUnconnected, bulkBytesMax: options.queueBytesMax,
                frameBytesMax: options.frameBytesMax)
            queues[peer] = new
            return new
        }
    }

    func remove(_ peer: UInt64) { queues.withLock { $0[peer] = nil } }
}
