import Chainfire

/// `/metrics` in Prometheus' text format: what the process measures, and the store's state under the names that
/// dashboards and alerts for etcd know (etcd documentation, "Metrics").
struct MetricsPage: Sendable {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    let store: Chainfire
    /// What swift-metrics' backend has gathered, in the same format.
    let process: @Sendable () -> String

    func text() -> String {
        let status = store.status
        var text = process()
        text += EtcdNames.again(text)
        func add(_ name: String, _ type: String, _ help: String, _ value: some CustomStringConvertible, labels: String = "") {
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n\(name)\(labels) \(value)\n"
        }
        add("etcd_server_id", "gauge", "The member's id.", 1, labels: "{server_id=\"\(String(status.memberID, radix: 16))\"}")
        add("etcd_server_version", "gauge", "Whose API is spoken.", 1, labels: "{server_version=\"\(MaintenanceService.version)\"}")
        add("etcd_cluster_version", "gauge", "Whose API all members speak.", 1, labels: "{cluster_version=\"\(MaintenanceService.clusterVersion.prefix(3))\"}")
        add("etcd_server_has_leader", "gauge", "Whether a leader is known.", status.leader != 0 ? 1 : 0)
        add("etcd_server_is_leader", "gauge", "Whether this member leads.",
            status.leader != 0 && status.leader == status.memberID ? 1 : 0)
        add("etcd_server_is_learner", "gauge", "Whether this member is a learner.", status.isLearner ? 1 : 0)
        add("etcd_server_proposals_committed_total", "gauge", "The index of the last committed entry.", status.commitIndex)
        add("etcd_server_proposals_applied_total", "gauge", "The index of the last applied entry.", status.appliedIndex)
        // Not under etcd's name: its alert divides the files' size by it, and here history counts for nothing.
        if status.quotaBytes > 0 { add("chainfire_quota_bytes", "gauge", "The most live bytes.", status.quotaBytes) }
        add("chainfire_live_bytes", "gauge", "Bytes of all keys and values as they are now.", status.liveBytes)
        add("etcd_mvcc_db_total_size_in_bytes", "gauge", "The size of the database's files.", status.dbSize)
        add("etcd_mvcc_db_total_size_in_use_in_bytes", "gauge", "The size of what is used in them.", status.dbSizeInUse)
        add("etcd_debugging_mvcc_keys_total", "gauge", "How many keys there are.", status.keys)
        add("etcd_debugging_mvcc_current_revision", "gauge", "The store's revision.", status.revision)
        add("etcd_debugging_mvcc_compact_revision", "gauge", "The revision of the last compaction.", status.compacted)
        add("etcd_debugging_mvcc_watcher_total", "gauge", "How many watchers there are.", status.watchers)
        let figures = ProcessFigures.now
        if let bytes = figures.residentBytes { add("process_resident_memory_bytes", "gauge", "Resident memory of the process.", bytes) }
        if let bytes = figures.virtualBytes { add("process_virtual_memory_bytes", "gauge", "Virtual memory of the process.", bytes) }
        if let count = figures.openFiles { add("process_open_fds", "gauge", "Open file descriptors.", count) }
        add("process_max_fds", "gauge", "The most open file descriptors.", figures.openFilesMax)
        if let time = figures.startTime { add("process_start_time_seconds", "gauge", "When the process was started, in seconds since 1970.", time) }
        add("process_cpu_seconds_total", "counter", "Processor time that the process took.", figures.cpuSeconds)
        add("chainfire_raft_term", "gauge", "Raft's term.", status.term)
        return text
    }
}
