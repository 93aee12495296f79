import Metrics
import Synchronization

/// What happened on the peers' port since the process started.
package struct PeerCounts: Hashable, Sendable {
    /// Introductions that ended well, on either side.
    package var connected = 0
    /// Breaks that Raft was told of.
    package var lost = 0
    /// Connections that were no member's, spoke something else or nothing in time, or stopped making sense.
    package var garbage = 0
    /// Of whole introductions, by us or by the other side.
    package var refused = 0
    package var messagesSent = 0
    package var messagesReceived = 0
    package var bytesSent = 0
    package var bytesReceived = 0
    /// For want of room, of a connection in time, or of such a member.
    package var messagesDropped = 0
}

/// Keeps the counts, and tells the metrics.
final class PeerTally: Sendable {
    private let counts = Mutex(PeerCounts())
    private let connected = Counter(label: "replica_peer_connections_total")
    private let lost = Counter(label: "replica_peer_lost_total")
    private let garbage = Counter(label: "replica_peer_garbage_total")
    private let refused = Counter(label: "replica_peer_refused_total")
    private let messagesSent = Counter(label: "replica_peer_messages_sent_total")
    private let messagesReceived = Counter(label: "replica_peer_messages_received_total")
    private let bytesSent = Counter(label: "replica_peer_bytes_sent_total")
    private let bytesReceived = Counter(label: "replica_peer_bytes_received_total")
    private let messagesDropped = Counter(label: "replica_peer_messages_dropped_total")

    var now: PeerCounts { counts.withLock { $0 } }

    func noteConnected() { note(connected) { $0.connected += 1 } }
    func noteLost() { note(lost) { $0.lost += 1 } }
    func noteGarbage() { note(garbage) { $0.garbage += 1 } }
    func noteRefused() { note(refused) { $0.refused += 1 } }

    func noteSent(messages: Int, bytes: Int) {
        note(bytesSent, bytes) {
            $0.messagesSent += messages
            $0.bytesSent += bytes
        }
        messagesSent.increment(by: messages)
    }

    func noteReceived(messages: Int, bytes: Int) {
        note(bytesReceived, bytes) {
            $0.messagesReceived += messages
            $0.bytesReceived += bytes
        }
        messagesReceived.increment(by: messages)
    }

    func noteDropped(_ messages: Int) {
        guard messages > 0 else { return }
        note(messagesDropped, messages) { $0.messagesDropped += messages }
    }

    private func note(_ counter: Counter, _ by: Int = 1, _ change: (inout PeerCounts) -> Void) {
        counts.withLock { change(&$0) }
        counter.increment(by: by)
    }
}
