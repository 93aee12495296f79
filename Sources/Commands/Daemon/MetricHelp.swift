import class API.Exposition

/// What the metrics mean that rooms count: swift-metrics has no place for it.
enum MetricHelp {
    static func tell(_ exposition: Exposition) {
        for (name, sentence) in sentences { exposition.describe(name, sentence) }
    }

    static let sentences = [
        "plasma_reconcile_total": "Rounds of the reconcile loops, by kind and result.",
        "plasma_reconcile_seconds": "How long rounds took, by kind.",
        "plasma_queue_depth": "Objects that wait for a round, by kind.",
        "plasma_active_workers": "Rounds under way, by kind.",
        "plasma_api_requests_total": "Requests of the API, by method and status code.",
        "plasma_api_request_seconds": "How long requests of the API took, by method.",
        "chainfire_commits_total": "Transactions that changed something.",
        "chainfire_apply_seconds": "How long batches of committed entries took to apply.",
        "chainfire_flush_seconds": "How long commits to the database took.",
        "chainfire_flushed_rows_total": "Rows written to the database.",
        "grpc_server_started_total": "Calls begun, by method.",
        "grpc_server_handled_total": "Calls ended, by method and code.",
        "grpc_server_handling_seconds": "How long calls with one answer took, by method.",
        "port_connections_total": "Connections taken, by port.",
        "port_connections_refused_total": "Connections refused because there were too many, by port.",
        "port_garbage_total": "Connections closed because what came was neither TLS, HTTP/2 nor HTTP/1.1 as it should be, by port.",
        "port_slow_readers_total": "Connections closed because their client did not read, by port.",
        "port_overloaded_total": "Calls refused because too much waited, by port.",
        "port_grpc_calls_total": "gRPC calls, by port.",
        "port_grpc_received_bytes_total": "Bytes of HTTP/2 received, by port.",
        "port_grpc_sent_bytes_total": "Bytes of HTTP/2 sent, by port.",
        "port_http_requests_total": "HTTP/1.1 requests, by port.",
        "replica_proposals_total": "Proposals of this member that were taken on their way.",
        "replica_proposals_failed_total": "Proposals of this member that were answered with an error.",
        "replica_proposals_pending": "Proposals of this member that have no answer yet.",
        "replica_leader_changes_total": "Terms of which a leader was seen.",
        "replica_snapshot_sent_bytes_total": "Bytes of snapshots sent to others.",
        "replica_snapshot_received_bytes_total": "Bytes of snapshots received.",
        "replica_snapshots_installed_total": "Snapshots put in place of the state.",
        "replica_messages_dropped_total": "Messages of others that could not be taken in.",
        "replica_applied_index": "The index of the last applied entry.",
        "replica_has_leader": "Whether a leader is known.",
        "replica_is_leader": "Whether this member leads.",
        "replica_fsync_seconds": "How long syncs of the log took.",
        "replica_peer_round_trip_seconds": "How long others took to answer this leader's heartbeats, by member.",
        "replica_peer_connections_total": "Connections with other members that were made.",
        "replica_peer_lost_total": "Connections with other members that broke.",
        "replica_peer_garbage_total": "Connections at the peer port closed because what came made no sense.",
        "replica_peer_refused_total": "Connections at the peer port of whom this member does not let in.",
        "replica_peer_messages_sent_total": "Messages sent to other members.",
        "replica_peer_messages_received_total": "Messages received from other members.",
        "replica_peer_messages_dropped_total": "Messages to other members that were dropped.",
        "replica_peer_bytes_sent_total": "Bytes sent to other members.",
        "replica_peer_bytes_received_total": "Bytes received from other members.",
    ]
}
