/// Files and directories, as much of them as a log needs. All calls block; none may run on the
/// cooperative thread pool where it could wait for a device.
package protocol Disk: Sendable {
    /// Creates the directory and its missing parents (mode 0700), durably. One that exists is left alone.
    func makeDirectory(_ path: String) throws(DiskError)
    /// - Throws: `.missing` when the file does not exist and `mode` is not `.create`.
    func open(_ path: String, _ mode: DiskOpenMode) throws(DiskError) -> any DiskFile
    /// The names in a directory, sorted, without `.` and `..`.
    func list(_ directory: String) throws(DiskError) -> [String]
    /// Replaces what is at `target`. Durable only after `syncDirectory`.
    func rename(_ source: String, to target: String) throws(DiskError)
    /// Durable only after `syncDirectory`.
    func remove(_ path: String) throws(DiskError)
    /// fsync of a directory: the names in it survive a crash afterwards.
    func syncDirectory(_ path: String) throws(DiskError)
    /// Takes an exclusive lock on the file at `path` (made when missing) until the answer is let go.
    /// - Throws: `.locked` when another open file holds it, in this process or another.
    func lock(_ path: String) throws(DiskError) -> any DiskLock
}

package enum DiskOpenMode: Sendable {
    case read
    case write
    /// Read and write; made when missing, kept as it is when it exists.
    case create
}

/// An open file. Closes itself when the last reference goes.
package protocol DiskFile: AnyObject, Sendable {
    var path: String { get }
    func size() throws(DiskError) -> UInt64
    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    func read(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8]
    /// Writes all bytes at `offset`. After a throw any part of them may have been written.
    func write(_ bytes: [UInt8], at offset: UInt64) throws(DiskError)
    /// fdatasync: what was written before survives a crash afterwards. After a throw nothing is known
    /// about any unsynced write, and a second try proves nothing.
    func sync() throws(DiskError)
    func truncate(to bytes: UInt64) throws(DiskError)
    /// Fills the file with zeros up to `bytes`, so that later writes need no new blocks and a sync of
    /// them no change of metadata. Not durable before `sync`.
    func preallocate(_ bytes: UInt64) throws(DiskError)
}

/// Holds a lock until it is let go.
package protocol DiskLock: AnyObject, Sendable {}
