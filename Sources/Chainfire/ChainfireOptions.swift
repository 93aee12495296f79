import Replica

package struct ChainfireOptions: Sendable {
    /// Most bytes of current values kept in memory, the newest written ones; others are read from SQLite.
    package var cacheBytes = 64 << 20
    package var compaction = CompactionPolicy()
    /// The log's limits.
    package var log = ReplicaOptions()
    /// The memory of the watches.
    var ring = WatchHub.Limits()

    package init() {}
}
