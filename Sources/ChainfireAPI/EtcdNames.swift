/// What the rooms below count under names of their own, once more under those that etcd's dashboards and alerts ask for (etcd, `contrib/mixin`).
struct EtcdNames {
    private struct Alias {
        var family: String
        /// Only the series with them, which are told without them.
        var labels = ""
        var name: String
        var help: String
    }
    private static let aliases = [
        Alias(family: "replica_fsync_seconds", name: "etcd_disk_wal_fsync_duration_seconds", help: "How long syncs of the log took."),
        Alias(family: "chainfire_flush_seconds", name: "etcd_disk_backend_commit_duration_seconds", help: "How long commits to the database took."),
        Alias(
            family: "replica_peer_round_trip_seconds", name: "etcd_network_peer_round_trip_time_seconds",
            help: "How long others took to answer this leader's heartbeats."),
        Alias(family: "replica_peer_bytes_sent_total", name: "etcd_network_peer_sent_bytes_total", help: "Bytes sent to other members."),
        Alias(family: "replica_peer_bytes_received_total", name: "etcd_network_peer_received_bytes_total", help: "Bytes received from other members."),
        Alias(family: "replica_peer_messages_dropped_total", name: "etcd_network_peer_sent_failures_total", help: "Messages to other members that were dropped."),
        Alias(family: "replica_leader_changes_total", name: "etcd_server_leader_changes_seen_total", help: "How often a leader was seen to begin."),
        Alias(family: "replica_proposals_failed_total", name: "etcd_server_proposals_failed_total", help: "Proposals that failed."),
        Alias(family: "replica_proposals_pending", name: "etcd_server_proposals_pending", help: "Proposals made here that have no answer yet."),
        Alias(
            family: "port_grpc_received_bytes_total", labels: #"{port="client"}"#, name: "etcd_network_client_grpc_received_bytes_total",
            help: "Bytes received from gRPC clients."),
        Alias(
            family: "port_grpc_sent_bytes_total", labels: #"{port="client"}"#, name: "etcd_network_client_grpc_sent_bytes_total",
            help: "Bytes sent to gRPC clients."),
    ]

    /// - Parameter text: families in Prometheus' text format 0.0.4, each in one piece, as swift-metrics' backend tells them.
    static func again(_ text: String) -> String {
        var found = ""
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE "), words.count == 4 {
                for alias in aliases where words[2] == alias.family {
                    found += "# HELP \(alias.name) \(alias.help)\n# TYPE \(alias.name) \(words[3])\n"
                }
                continue
            }
            for alias in aliases where line.hasPrefix(alias.family + alias.labels) {
                let rest = line.dropFirst(alias.family.utf8.count + alias.labels.utf8.count)
                if [" ", "{", "_bucket", "_sum", "_count"].contains(where: { rest.hasPrefix($0) }) { found += "\(alias.name)\(rest)\n" }
            }
        }
        return found
    }
}
