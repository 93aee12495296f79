import Store

/// Where a machine keeps its rows: SQLite, or in the cluster simulator a model of it. Any thread may
/// call; writes, checkpoints and installs are one caller's at a time.
package protocol MachineStorage: AnyObject, Sendable {
    /// What errors call it: the file's path.
    var name: String { get }
    /// Reads everything, rows in the order they happened, values only of the newest `valueBytesMax` or so.
    func restore(valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage
    /// Carries out all of it as one transaction, durable with the next checkpoint.
    /// - Throws: `ChainfireError.full` when there is no room: nothing was written, and it may be tried again.
    func write(_ batch: StorageBatch) throws
    /// Reads one row as it is now; nil when it is not there. Never waits for a writer.
    func load(_ id: ChangeID) throws -> Change?
    /// The changes of the revisions `from..<end` in order: whole revisions only, at least one, until `bytesMax`
    /// is exceeded; and the last revision that was read through.
    func history(from: Revision, to end: Revision, bytesMax: Int) throws -> (changes: [Change], through: Revision)
    /// What was written before survives a crash afterwards.
    func checkpoint() throws
    /// Writes a whole copy, as it stands between two writes, durably into a new file.
    /// - Returns: how far that copy goes.
    func snapshot(to path: String) throws -> StorageImage
    /// Reads all of a snapshot's file, as `restore` reads what is in use. Any thread.
    func restore(from path: String, valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage
    /// Reads what a snapshot's file says of itself.
    func look(_ path: String) throws -> StorageImage
    /// Puts the copy in the place of everything. After a crash it is whole there, or was never begun.
    func install(_ path: String) throws
    /// Gives back space that is not in use.
    func defragment() throws
    /// Looks at everything.
    /// - Returns: what is wrong, one line each.
    func check() throws -> [String]
    var size: StorageSize { get }
    func close() throws
}

/// How far the log was applied, and what that made of the store.
package struct Mark: Hashable, Sendable {
    package var appliedIndex: UInt64 = 0
    package var appliedTerm: UInt64 = 0
    package var revision: Revision = 1
    package var compacted: Revision = 0

    package init() {}
}

/// One transaction of a storage.
package struct StorageBatch: Sendable {
    package var mark: Mark
    /// New rows, in order.
    package var rows: [Change] = []
    /// Rows that nobody can read any more.
    package var garbage: [ChangeID] = []
    /// Named facts to be set, or with nil to be removed, sorted by name.
    package var facts: [(name: String, bytes: [UInt8]?)] = []

    package init(mark: Mark) { self.mark = mark }
}

/// What is stored beside the rows.
package struct StorageImage: Sendable {
    package var mark: Mark
    /// Sorted by name.
    package var facts: [(name: String, bytes: [UInt8])]

    package init(mark: Mark, facts: [(name: String, bytes: [UInt8])]) {
        self.mark = mark
        self.facts = facts
    }
}

package struct StorageSize: Hashable, Sendable {
    /// Of all files.
    package var bytes = 0
    /// Of those, the bytes that hold something.
    package var used = 0

    package init(bytes: Int = 0, used: Int = 0) {
        self.bytes = bytes
        self.used = used
    }
}
