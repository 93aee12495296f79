import Foundation
import Host
import Store
import Synchronization

/// Whole files: copies, and what comes in the place of everything.
extension Storage {
    func snapshot(to path: String) throws -> StorageImage {
        do {
            try undisturbed {
                if FileManager.default.fileExists(atPath: path) { try disk.remove(path) }
                try Self.copy(from: name, to: path)
            }
            try disk.open(path, .write).sync()
            return try look(path)
        } catch {
            throw Self.problem(error, path)
        }
    }

    /// Runs what opens the file anew, as often as another one came in its place meanwhile: that was opened with the old one's name, and
    /// with the new one's write-ahead log perhaps.
    private func undisturbed<Answer>(_ body: () throws -> Answer) throws -> Answer {
        for _ in 0..<100 {
            let before = replacements.load(ordering: .acquiring)
            let answer = Result { try body() }
            if before.isMultiple(of: 2), replacements.load(ordering: .acquiring) == before { return try answer.get() }
            // Nobody waits long for a snapshot to be put in place.
            Thread.sleep(forTimeInterval: 0.05)
        }
        throw ChainfireError.storage("\(name) was replaced again and again while it was read; try again")
    }

    private static func copy(from source: String, to path: String) throws {
        var db = try SQLite(source, readOnly: true)
        try db.change("VACUUM INTO ?") { $0.bind(path, at: 1) }
    }

    func look(_ path: String) throws -> StorageImage { try Self.look(path) }

    static func look(_ path: String) throws -> StorageImage {
        do {
            var db = try SQLite(path, readOnly: true)
            return try readImage(&db, path)
        } catch {
            throw problem(error, path)
        }
    }

    /// The new file gets a name of its own first. From then on it is the state, and an old write-ahead log must
    /// never be applied to it.
    func install(_ path: String) throws {
        do {
            _ = try look(path)
            let directory = String(name[..<(name.lastIndex(of: "/") ?? name.startIndex)])
            try disk.rename(path, to: name + ".next")
            try disk.syncDirectory(directory)
            replacements.add(1, ordering: .releasing)
            defer { replacements.add(1, ordering: .releasing) }
            try close()
            try Self.finishInstall(name, disk)
            put(try Self.openWriter(name, pagesMax), in: writer)
            put(try Self.openReader(name), in: hot)
            put(try Self.openReader(name), in: cold)
        } catch {
            throw Self.problem(error, path)
        }
    }

    private func put(_ db: consuming sending SQLite, in place: borrowing Mutex<SQLite?>) {
        var db: SQLite? = consume db
        place.withLock { $0 = db.take() }
    }

    static func finishInstall(_ path: String, _ disk: any Disk) throws {
        let files = FileManager.default
        guard files.fileExists(atPath: path + ".next") else { return }
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        for suffix in ["-wal", "-shm"] where files.fileExists(atPath: path + suffix) { try disk.remove(path + suffix) }
        try disk.syncDirectory(directory)
        try disk.rename(path + ".next", to: path)
        try disk.syncDirectory(directory)
    }

    /// The rows of a file that is not in use, in order, without their values.
    static func readRows(_ path: String, _ take: (Change) throws -> Void) throws {
        var db = try SQLite(path, readOnly: true)
        try db.query("SELECT id, change FROM history ORDER BY id") { row in
            guard let change = Change(ChangeID(number: row.integer(0)), reading: row.bytes(1), keepsValue: false) else {
                throw badRow(row.integer(0), path)
            }
            try take(change)
            return true
        }
    }

    func check() throws -> [String] { try undisturbed { try Self.check(name) } }

    /// Where the page is that SQLite names: " (offset 8192)"; nothing where it names none.
    private static func offset(of problem: String, _ path: String) throws -> String {
        guard let page = problem.firstMatch(of: #/\bpage (\d+)/#).flatMap({ Int64($0.1) }), page > 0 else { return "" }
        var db = try SQLite(path, readOnly: true)
        return " (offset \((page - 1) * (try db.integer("PRAGMA page_size"))))"
    }

    static func check(_ path: String) throws -> [String] {
        do {
            var problems: [String] = []
            var db = try SQLite(path, readOnly: true)
            try db.query("PRAGMA integrity_check") { row in
                if row.text(0) != "ok" { problems.append("\(path): \(row.text(0))\(try offset(of: row.text(0), path))") }
                return true
            }
            let image = try readImage(&db, path)
            try db.query("SELECT id, change FROM history ORDER BY id") { row in
                let id = ChangeID(number: row.integer(0))
                if Change(id, reading: row.bytes(1), keepsValue: false) == nil {
                    problems.append("\(badRow(id.number, path))")
                } else if id.revision > image.mark.revision {
                    problems.append("\(path): row \(id.number) is of revision \(id.revision), beyond \(image.mark.revision)")
                }
                return true
            }
            return problems
        } catch {
            throw problem(error, path)
        }
    }
}
