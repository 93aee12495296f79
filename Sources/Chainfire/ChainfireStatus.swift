import Store

/// A look at a store, for `/metrics`, for etcd's `Status` and for people. Sizes in bytes.
package struct ChainfireStatus: Hashable, Sendable {
    package var revision: Revision
    /// The last compaction; 0 before the first.
    package var compacted: Revision
    /// Keys that are there now.
    package var keys: Int
    package var watchers: Int
    /// Of the database file and its write-ahead log; the Raft log is not in it.
    package var databaseBytes: Int
    /// Of the values held in memory.
    package var cachedBytes: Int
    package var appliedIndex: UInt64
    package var lastIndex: UInt64
    package var term: UInt64
    /// Of the database, without what a defragmentation would give back.
    package var databaseBytesUsed: Int
    /// Of the keys that are there now and their values: what the quota bounds.
    package var liveBytes: Int
    /// Applied and not in the database yet.
    package var waitingBytes: Int
    package var leases: Int
    package var alarms: [Alarm]
    package var clusterID: UInt64 = 0
    package var memberID: UInt64 = 0
    /// 0: not known.
    package var leader: UInt64 = 0
    package var isLearner = false
    package var commitIndex: UInt64 = 0
    /// 0: none.
    package var quotaBytes = 0
    /// Names of those that begin the cluster with this member and were not met yet: nobody leads before they are.
    package var unmet: [String] = []
    /// Its log was damaged and set aside: it neither votes nor reads until a leader has caught it up.
    package var isRecovering = false
    /// What is wrong now, in words; etcd's where it has them.
    package var errors: [String] = []

    /// Why nobody leads yet; nil where that is not for want of founders.
    package var founding: String? {
        unmet.isEmpty ? nil : "the cluster begins with all its members, and \(unmet.joined(separator: ", ")) \(unmet.count == 1 ? "was" : "were") not met yet"
    }

    /// Why this member does not count for now; nil: it does.
    package var recovery: String? {
        isRecovering ? "this member's log was damaged and set aside (log/damaged-N): it does not vote until a leader has given it what it lacks" : nil
    }

    /// etcd's names.
    package var dbSize: Int { databaseBytes }
    package var dbSizeInUse: Int { databaseBytesUsed }
}
