import Metrics

/// What the world may know of a replica, as numbers.
struct ReplicaMeters: Sendable {
    private let proposals = Counter(label: "replica_proposals_total")
    private let leaderChanges = Counter(label: "replica_leader_changes_total")
    private let sent = Counter(label: "replica_snapshot_sent_bytes_total")
    private let received = Counter(label: "replica_snapshot_received_bytes_total")
    private let installed = Counter(label: "replica_snapshots_installed_total")
    private let dropped = Counter(label: "replica_messages_dropped_total")
    private let applied = Gauge(label: "replica_applied_index")
    private let hasLeader = Gauge(label: "replica_has_leader")
    private let isLeader = Gauge(label: "replica_is_leader")
    private var last = ReplicaCounts()
    private var shown: (applied: UInt64, hasLeader: Bool, isLeader: Bool)?

    mutating func record(_ counts: ReplicaCounts, _ status: ReplicaStatus) {
        if counts != last {
            raise(proposals, \.proposals, counts)
            raise(leaderChanges, \.leaderChanges, counts)
            raise(sent, \.snapshotBytesSent, counts)
            raise(received, \.snapshotBytesReceived, counts)
            raise(installed, \.snapshotsInstalled, counts)
            raise(dropped, \.dropped, counts)
            last = counts
        }
        let now = (status.appliedIndex, status.leader != nil, status.role == .leader)
        if let shown, shown == now { return }
        shown = now
        applied.record(Double(now.0))
        hasLeader.record(now.1 ? 1 : 0)
        isLeader.record(now.2 ? 1 : 0)
    }

    private func raise(_ counter: Counter, _ count: KeyPath<ReplicaCounts, Int> & Sendable, _ counts: ReplicaCounts) {
        let more = counts[keyPath: count] - last[keyPath: count]
        if more > 0 { counter.increment(by: more) }
    }
}
