import Host
import Metrics
import Raft

/// What the world may know of a replica, as numbers.
struct ReplicaMeters: Sendable {
    private let proposals = Counter(label: "replica_proposals_total")
    private let failed = Counter(label: "replica_proposals_failed_total")
    private let pending = Gauge(label: "replica_proposals_pending")
    private let leaderChanges = Counter(label: "replica_leader_changes_total")
    private let sent = Counter(label: "replica_snapshot_sent_bytes_total")
    private let received = Counter(label: "replica_snapshot_received_bytes_total")
    private let installed = Counter(label: "replica_snapshots_installed_total")
    private let dropped = Counter(label: "replica_messages_dropped_total")
    private let applied = Gauge(label: "replica_applied_index")
    private let hasLeader = Gauge(label: "replica_has_leader")
    private let isLeader = Gauge(label: "replica_is_leader")
    private var last = ReplicaCounts()
    private var shown: (applied: UInt64, pending: Int, hasLeader: Bool, isLeader: Bool)?
    private var roundTrips = RoundTrips()

    mutating func record(_ counts: ReplicaCounts, _ status: ReplicaStatus) {
        if counts != last {
            raise(proposals, \.proposals, counts)
            raise(failed, \.failed, counts)
            raise(leaderChanges, \.leaderChanges, counts)
            raise(sent, \.snapshotBytesSent, counts)
            raise(received, \.snapshotBytesReceived, counts)
            raise(installed, \.snapshotsInstalled, counts)
            raise(dropped, \.dropped, counts)
            last = counts
        }
        let now = (status.appliedIndex, status.pending, status.leader != nil, status.role == .leader)
        if let shown, shown == now { return }
        shown = now
        applied.record(Double(now.0))
        if !now.3 { roundTrips = RoundTrips() }
        pending.record(Double(now.1))
        hasLeader.record(now.2 ? 1 : 0)
        isLeader.record(now.3 ? 1 : 0)
    }

    mutating func noteSent(_ messages: [PeerMessage], _ now: Instant) {
        for message in messages {
            if case .raft(let inner) = message.body, case .heartbeat(_, let round) = inner.body { roundTrips.sent(round, to: message.to, now) }
        }
    }

    mutating func noteReceived(_ messages: [PeerMessage], _ now: Instant) {
        for message in messages {
            if case .raft(let inner) = message.body, case .heartbeatAnswer(let round, _) = inner.body { roundTrips.answered(round, by: message.from, now) }
        }
    }

    private func raise(_ counter: Counter, _ count: KeyPath<ReplicaCounts, Int> & Sendable, _ counts: ReplicaCounts) {
        let more = counts[keyPath: count] - last[keyPath: count]
        if more > 0 { counter.increment(by: more) }
    }
}

/// How long others take to answer the leader's heartbeats, of which one is looked at for each of them at a time.
private struct RoundTrips: Sendable {
    private struct Peer {
        var seconds: Metrics.Timer
        var round: UInt64 = 0
        var sentAt: Instant?
        var isAnswered = true
    }
    private var peers: [UInt64: Peer] = [:]

    mutating func sent(_ round: UInt64, to id: UInt64, _ now: Instant) {
        var peer = peers[id] ?? Peer(
            seconds: Timer(label: "replica_peer_round_trip_seconds", dimensions: [("To", String(id, radix: 16))]))
        // Some are enough; and what was lost is not waited for.
        if let sentAt = peer.sentAt, now - sentAt < (peer.isAnswered ? .milliseconds(100) : .seconds(5)) { return }
        (peer.round, peer.sentAt, peer.isAnswered) = (round, now, false)
        peers[id] = peer
    }

    mutating func answered(_ round: UInt64, by id: UInt64, _ now: Instant) {
        guard let peer = peers[id], !peer.isAnswered, let sentAt = peer.sentAt, round >= peer.round else { return }
        peers[id]?.isAnswered = true
        if round == peer.round { peer.seconds.recordNanoseconds((now - sentAt).nanoseconds) }
    }
}
