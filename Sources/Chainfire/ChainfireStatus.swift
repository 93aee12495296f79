import Store

/// A look at a store, for `/metrics` and for people.
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
}
