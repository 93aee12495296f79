import Replica
import Store

package struct ChainfireOptions: Sendable {
    /// Most bytes of current values kept in memory, the newest written ones; others are read from SQLite.
    package var cacheBytes = 64 << 20
    package var compaction = CompactionPolicy()
    /// Most bytes of live keys and values; beyond it puts are refused until a tenth of it is free (etcd's
    /// `--quota-backend-bytes`, but of what is live, so that nobody must defragment). 0: no bound.
    package var quotaBytes = 2 << 30
    /// Seconds; shorter leases get this (etcd: 3/2 of an election, rounded up).
    package var leaseTTLMin: Int64 = 2
    /// Told to the other members once the store runs.
    package var name = ""
    package var clientURLs: [String] = []
    /// The log's limits.
    package var log = ReplicaOptions()
    /// The memory of the watches.
    package var ring = WatchHub.Limits()
    /// Of the rows that nobody can read any more, so many are deleted with each write of the database, or twice as many as it writes.
    package var garbageAtOnce = 2_000
    /// For tests that do not last long: see `Lessor`.
    package var leaseRecordsEvery: Duration = .seconds(300)
    /// For tests of a full disk: the most pages that the database may have.
    var pagesMax: Int?

    package init() {}
}
