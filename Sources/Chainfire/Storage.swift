import Foundation
import GRDB
import Store

/// The applied state in SQLite: the history's rows, and how far the log was applied, always in one
/// transaction. One connection only, and exclusive: SQLite before 3.51.3 has a WAL-reset bug when two
/// connections write or checkpoint at once.
final class Storage: Sendable {
    /// How far the log was applied, and what that made of the store.
    struct Mark: Hashable, Sendable {
        var appliedIndex: UInt64 = 0
        var appliedTerm: UInt64 = 0
        var revision: Revision = 1
        var compacted: Revision = 0
    }
    static let format = 1

    let path: String
    private let queue: DatabaseQueue

    init(path: String) throws(ChainfireError) {
        self.path = path
        var configuration = Configuration()
        configuration.label = "chainfire"
        configuration.journalMode = .wal
        configuration.prepareDatabase { db in
            try db.execute(sql: """
                PRAGMA locking_mode = EXCLUSIVE;
                PRAGMA cache_size = -8192;
                """)
        }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")
                try db.inTransaction(.immediate) {
                    try db.execute(sql: """
                        CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, change BLOB NOT NULL);
                        CREATE TABLE IF NOT EXISTS mark (
                            one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL,
                            applied_index INTEGER NOT NULL, applied_term INTEGER NOT NULL,
                            revision INTEGER NOT NULL, compacted INTEGER NOT NULL);
                        INSERT OR IGNORE INTO mark VALUES (1, \(Self.format), 0, 0, 1, 0);
                        """)
                    return .commit
                }
            }
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Reads everything, in the order it happened.
    func restore(_ take: (Change) -> Void) throws(ChainfireError) -> Mark {
        do {
            return try queue.writeWithoutTransaction { db in
                guard let row = try Row.fetchOne(db, sql: "SELECT * FROM mark") else {
                    throw ChainfireError.corrupt(file: path, "the mark of the applied log is missing")
                }
                let format: Int = row["format"]
                guard format == Self.format else {
                    throw ChainfireError.mismatch(
                        "\(path) has format \(format), but this version of plasma reads format \(Self.format)")
                }
                let index: Int64 = row["applied_index"]
                let term: Int64 = row["applied_term"]
                let rows = try Row.fetchCursor(db, sql: "SELECT id, change FROM history ORDER BY id")
                while let row = try rows.next() { take(try change(row)) }
                return Mark(
                    appliedIndex: UInt64(bitPattern: index), appliedTerm: UInt64(bitPattern: term),
                    revision: row["revision"], compacted: row["compacted"])
            }
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Carries out `body` and commits it as one transaction. Blocks; called from the replica's loop only.
    func write<T>(_ body: (Session) throws -> T) throws(ChainfireError) -> T {
        do {
            return try queue.write { db in try body(Session(db: db, storage: self)) }
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Reads between two writes.
    func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
        try await queue.writeWithoutTransaction { db in try body(Session(db: db, storage: self)) }
    }

    /// Moves the write-ahead log into the database file; everything committed before is fsynced then.
    func checkpoint() throws(ChainfireError) {
        do {
            try queue.writeWithoutTransaction { db in
                let (frames, moved) = try db.checkpoint(.truncate)
                guard moved >= frames else {
                    throw ChainfireError.storage("\(path): only \(moved) of \(frames) frames could be checkpointed")
                }
            }
        } catch {
            throw Self.problem(error, path)
        }
    }

    func close() throws(ChainfireError) {
        do { try queue.close() } catch { throw Self.problem(error, path) }
    }

    /// Bytes of the database file and of its write-ahead log.
    var bytesOnDisk: Int {
        [path, path + "-wal"].reduce(0) { sum, path in
            // A file that is not there takes no space.
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return sum + (attributes?[.size] as? Int ?? 0)
        }
    }

    fileprivate func change(_ row: Row) throws -> Change {
        let id = ChangeID(number: row[0])
        let bytes = try row.withUnsafeData(atIndex: 1) { $0.map { [UInt8]($0) } ?? [] }
        guard let change = Change(id, decoding: bytes) else {
            throw ChainfireError.corrupt(
                file: path, "row \(id.number) of its table `history` (revision \(id.revision)) does not match its checksum")
        }
        return change
    }

    private static func problem(_ error: any Error, _ path: String) -> ChainfireError {
        switch error {
        case let error as ChainfireError: error
        case let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode):
            .corrupt(file: path, error.message ?? "\(error.resultCode)")
        case let error as DatabaseError where error.resultCode == .SQLITE_BUSY:
            .storage("\(path) is in use by another process; stop that one first")
        case let error as DatabaseError:
            .storage("\(path): \(error.message ?? "\(error.resultCode)")")
        default: .storage("\(path): \(error)")
        }
    }
}

/// The database while it is ours.
struct Session {
    fileprivate let db: Database
    fileprivate let storage: Storage

    func insert(_ changes: [Change]) throws {
        guard !changes.isEmpty else { return }
        let statement = try db.cachedStatement(sql: "INSERT INTO history VALUES (?, ?)")
        for change in changes {
            try statement.execute(arguments: [change.id.number, Data(change.encoded)])
        }
    }

    func delete(_ ids: [ChangeID]) throws {
        guard !ids.isEmpty else { return }
        let statement = try db.cachedStatement(sql: "DELETE FROM history WHERE id = ?")
        for id in ids { try statement.execute(arguments: [id.number]) }
    }

    func set(_ mark: Storage.Mark) throws {
        let statement = try db.cachedStatement(
            sql: "UPDATE mark SET applied_index = ?, applied_term = ?, revision = ?, compacted = ?")
        try statement.execute(arguments: [
            Int64(bitPattern: mark.appliedIndex), Int64(bitPattern: mark.appliedTerm), mark.revision, mark.compacted,
        ])
    }

    func load(_ id: ChangeID) throws -> Change {
        let statement = try db.cachedStatement(sql: "SELECT id, change FROM history WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id.number]) else {
            throw ChainfireError.corrupt(
                file: storage.path, "row \(id.number) of its table `history` (revision \(id.revision)) is missing")
        }
        return try storage.change(row)
    }

    /// The changes of the revisions `from..<end` in order, whole revisions only, at least one and until
    /// `bytesMax` is exceeded.
    /// - Returns: also the last revision that was read through.
    func history(from: Revision, to end: Revision, bytesMax: Int) throws -> (changes: [Change], through: Revision) {
        let statement = try db.cachedStatement(sql: "SELECT id, change FROM history WHERE id >= ? AND id < ? ORDER BY id")
        let rows = try Row.fetchCursor(statement, arguments: [ChangeID(from, 0).number, ChangeID(end, 0).number])
        var changes: [Change] = []
        var bytes = 0
        while let row = try rows.next() {
            let change = try storage.change(row)
            if bytes > bytesMax, let last = changes.last, last.id.revision < change.id.revision {
                return (changes, last.id.revision)
            }
            bytes += change.key.bytes.count + (change.value?.count ?? 0) + 100
            changes.append(change)
        }
        return (changes, end - 1)
    }
}
