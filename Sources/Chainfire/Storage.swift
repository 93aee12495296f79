import Bytes
import Foundation
import CSQLite
import Host
import Store
import Synchronization

/// The applied state in SQLite: the history's rows, what is known beside them, and how far the log was
/// applied, always in one transaction.
///
/// One connection writes and checkpoints, under its lock: SQLite before 3.51.3 has a WAL-reset bug when two
/// connections write or checkpoint at once. Two more only read: one for the replica's thread, which never
/// waits long, and one for long looks at the history. A copy is made by a fourth, for as long as it takes.
final class Storage: MachineStorage {
    static let format: Int64 = 2

    let name: String
    let disk: any Disk
    let writer: Mutex<SQLite?>
    let hot: Mutex<SQLite?>
    let cold: Mutex<SQLite?>
    let pagesMax: Int?
    /// How often another file was put in the place of this one, twice: odd while it happens.
    let replacements = Atomic<Int>(0)

    /// - Parameter pagesMax: the most pages that the file may have, for tests of a full disk.
    init(path: String, disk: any Disk = SystemDisk(), pagesMax: Int? = nil) throws(ChainfireError) {
        name = path
        self.disk = disk
        self.pagesMax = pagesMax
        do {
            try Self.finishInstall(path, disk)
            writer = Mutex(try Self.openWriter(path, pagesMax))
            hot = Mutex(try Self.openReader(path))
            cold = Mutex(try Self.openReader(path))
        } catch {
            throw Self.problem(error, path)
        }
    }

    static func openWriter(_ path: String, _ pagesMax: Int?) throws -> SQLite {
        let db = try SQLite(path, readOnly: false)
        try db.run("""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
            PRAGMA cache_size = -8192;
            BEGIN IMMEDIATE;
            CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, change BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS mark (
                one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL,
                applied_index INTEGER NOT NULL, applied_term INTEGER NOT NULL,
                revision INTEGER NOT NULL, compacted INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
            INSERT OR IGNORE INTO mark VALUES (1, \(format), 0, 0, 1, 0);
            COMMIT;
            """)
        if let pagesMax { try db.run("PRAGMA max_page_count = \(pagesMax)") }
        return db
    }

    static func openReader(_ path: String) throws -> SQLite {
        let db = try SQLite(path, readOnly: true)
        try db.run("PRAGMA cache_size = -2048; PRAGMA mmap_size = 268435456")
        return db
    }

    func restore(valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage {
        try using(writer) { db in try Self.restore(&db, name, valueBytesMax, take) }
    }

    func restore(from path: String, valueBytesMax: Int, _ take: (Change) throws -> Void) throws -> StorageImage {
        do {
            var db = try SQLite(path, readOnly: true)
            return try Self.restore(&db, path, valueBytesMax, take)
        } catch {
            throw Self.problem(error, path)
        }
    }

    private static func restore(
        _ db: inout SQLite, _ path: String, _ valueBytesMax: Int, _ take: (Change) throws -> Void
    ) throws -> StorageImage {
        let image = try readImage(&db, path)
        var left = try db.integer("PRAGMA page_count") * db.integer("PRAGMA page_size")
        try db.query("SELECT id, change FROM history ORDER BY id") { row in
            let bytes = row.bytes(1)
            left -= Int64(bytes.count)
            guard let change = Change(
                ChangeID(number: row.integer(0)), reading: bytes, keepsValue: left < Int64(valueBytesMax))
            else { throw badRow(row.integer(0), path) }
            try take(change)
            return true
        }
        return image
    }

    func write(_ batch: StorageBatch) throws {
        try using(writer) { db in
            try db.run("BEGIN IMMEDIATE")
            do {
                for change in batch.rows {
                    try db.change("INSERT INTO history VALUES (?, ?)") {
                        $0.bind(change.id.number, at: 1)
                        $0.bind(change.encoded, at: 2)
                    }
                }
                for id in batch.garbage {
                    try db.change("DELETE FROM history WHERE id = ?") { $0.bind(id.number, at: 1) }
                }
                for (fact, bytes) in batch.facts { try Self.set(fact, bytes, &db) }
                try Self.set(batch.mark, &db)
                try db.run("COMMIT")
            } catch {
                // SQLite rolls back by itself on some errors; then there is nothing left to roll back.
                try? db.run("ROLLBACK")
                throw error
            }
        }
    }

    private static func set(_ fact: String, _ bytes: [UInt8]?, _ db: inout SQLite) throws {
        guard let bytes else { return try db.change("DELETE FROM fact WHERE name = ?") { $0.bind(fact, at: 1) } }
        try db.change("INSERT OR REPLACE INTO fact VALUES (?, ?)") {
            $0.bind(fact, at: 1)
            $0.bind(FactCodec.sealed(fact, bytes), at: 2)
        }
    }

    private static func set(_ mark: Mark, _ db: inout SQLite) throws {
        try db.change("UPDATE mark SET format = ?, applied_index = ?, applied_term = ?, revision = ?, compacted = ?") {
            $0.bind(format, at: 1)
            $0.bind(Int64(bitPattern: mark.appliedIndex), at: 2)
            $0.bind(Int64(bitPattern: mark.appliedTerm), at: 3)
            $0.bind(mark.revision, at: 4)
            $0.bind(mark.compacted, at: 5)
        }
    }

    func load(_ id: ChangeID) throws -> Change? {
        try using(hot) { db in
            var change: Change?
            try db.query("SELECT change FROM history WHERE id = ?", { $0.bind(id.number, at: 1) }) { row in
                change = Change(id, reading: row.bytes(0), keepsValue: true)
                if change == nil { throw Self.badRow(id.number, name) }
                return false
            }
            return change
        }
    }

    func history(from: Revision, to end: Revision, bytesMax: Int) throws -> (changes: [Change], through: Revision) {
        try using(cold) { db in
            var (changes, bytes, through): ([Change], Int, Revision) = ([], 0, end - 1)
            try db.query("SELECT id, change FROM history WHERE id >= ? AND id < ? ORDER BY id", {
                $0.bind(ChangeID(from, 0).number, at: 1)
                $0.bind(ChangeID(end, 0).number, at: 2)
            }) { row in
                let id = ChangeID(number: row.integer(0))
                if bytes > bytesMax, let last = changes.last, last.id.revision < id.revision {
                    through = last.id.revision
                    return false
                }
                guard let change = Change(id, reading: row.bytes(1), keepsValue: true) else { throw Self.badRow(id.number, name) }
                bytes += change.key.bytes.count + change.valueBytes + 100
                changes.append(change)
                return true
            }
            return (changes, through)
        }
    }

    func checkpoint() throws {
        let isMoved = try using(writer) { db in try db.checkpoint() }
        // While a copy is being made the write-ahead log cannot be emptied; its own sync is enough.
        if !isMoved { try disk.open(name + "-wal", .write).sync() }
    }

    func defragment() throws {
        try using(writer) { db in
            try db.run("VACUUM")
            _ = try db.checkpoint()
        }
    }

    var size: StorageSize {
        let files = [name, name + "-wal"].reduce(0) { sum, path in
            // A file that is not there takes no space.
            sum + ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        }
        let free = try? using(cold) { db in
            Int(try db.integer("PRAGMA freelist_count") * db.integer("PRAGMA page_size"))
        }
        return StorageSize(bytes: files, used: max(0, files - (free ?? 0)))
    }

    func close() throws {
        hot.withLock { $0 = nil }
        cold.withLock { $0 = nil }
        writer.withLock { $0 = nil }
    }
}

extension Storage {
    static func readImage(_ db: inout SQLite, _ path: String) throws -> StorageImage {
        var mark: Mark?
        try db.query("SELECT format, applied_index, applied_term, revision, compacted FROM mark") { row in
            guard (1...format).contains(row.integer(0)) else {
                throw ChainfireError.mismatch(
                    "\(path) has format \(row.integer(0)), but this version of plasma reads formats 1 to \(format)")
            }
            var read = Mark()
            read.appliedIndex = UInt64(bitPattern: row.integer(1))
            read.appliedTerm = UInt64(bitPattern: row.integer(2))
            (read.revision, read.compacted) = (row.integer(3), row.integer(4))
            mark = read
            return false
        }
        guard let mark else { throw ChainfireError.corrupt(file: path, "the mark of the applied log is missing") }
        var facts: [(name: String, bytes: [UInt8])] = []
        guard try db.integer("SELECT count(*) FROM sqlite_master WHERE name = 'fact'") == 1 else {
            return StorageImage(mark: mark, facts: [])
        }
        try db.query("SELECT name, bytes FROM fact ORDER BY name") { row in
            let fact = row.text(0)
            guard let bytes = FactCodec.opened(fact, Array(row.bytes(1))) else {
                throw ChainfireError.corrupt(file: path, "its fact \(fact) is not what was written")
            }
            facts.append((fact, bytes))
            return true
        }
        return StorageImage(mark: mark, facts: facts)
    }

    func using<T: Sendable>(
        _ connection: borrowing Mutex<SQLite?>, _ body: (inout SQLite) throws -> T
    ) throws -> T {
        do {
            return try connection.withLock { place in
                guard var db = place.take() else { throw ChainfireError.storage("\(name) is closed") }
                let result = Result { try body(&db) }
                place = consume db
                return try result.get()
            }
        } catch {
            throw Self.problem(error, name)
        }
    }

    static func badRow(_ number: Int64, _ path: String) -> ChainfireError {
        .corrupt(
            file: path,
            "row \(number) of its table `history` (revision \(ChangeID(number: number).revision)) is not what was written")
    }

    static func problem(_ error: any Error, _ path: String) -> ChainfireError {
        switch error {
        case let error as ChainfireError: error
        case let error as SQLite.Failure where error.isFull: .full(path)
        case let error as SQLite.Failure where error.isDamage: .corrupt(file: path, error.message)
        case let error as SQLite.Failure where error.isBusy: .storage("\(path) is in use by another process; stop that one first")
        case let error as SQLite.Failure: .storage("\(path): \(error.message)")
        case DiskError.noSpace: .full(path)
        case let error as DiskError: .storage(error.description)
        default: .storage("\(path): \(error)")
        }
    }
}
