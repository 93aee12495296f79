import Bytes
import Crypto
import Foundation

/// The last 32 bytes of a snapshot's file: the SHA-256 of all before, as etcd's has it (`clientv3/snapshot`).
struct SnapshotDigest: Hashable, Sendable {
    static let count = 32
    private static let pieceBytes = 1 << 20

    var text: String
    /// Of the whole file.
    var bytes: UInt64

    /// Reads the file once.
    /// - Throws: `Failure` when it cannot be read, or the digest is another.
    static func verify(_ path: String) throws -> SnapshotDigest {
        guard let file = FileHandle(forReadingAtPath: path) else { throw Failure("\(path) cannot be read: is it there, and yours to read?") }
        defer { try? file.close() }
        let size = try file.seekToEnd()
        guard isWithDigest(size) else {
            throw Failure("""
                \(path) has \(size) bytes: that is no snapshot with its digest; it was cut off, or is a snapshot of etcd's own. A member's state.db \
                is restored with --skip-hash-check
                """)
        }
        try file.seek(toOffset: 0)
        var left = size - UInt64(count)
        var digest = SHA256()
        while left > 0, let piece = try file.read(upToCount: Int(min(left, UInt64(pieceBytes)))), !piece.isEmpty {
            digest.update(data: piece)
            left -= UInt64(piece.count)
        }
        let stated = try file.read(upToCount: count).map(Array.init) ?? []
        let found = Array(digest.finalize())
        guard left == 0, found == stated else {
            throw Failure("\(path) is damaged: its digest says \(Hex.encode(stated)), but its \(size - UInt64(count)) bytes have \(Hex.encode(found))")
        }
        return SnapshotDigest(text: Hex.encode(found), bytes: size)
    }

    /// SQLite's pages are 512 bytes or a multiple: what is left over is the digest.
    private static func isWithDigest(_ size: UInt64) -> Bool { size > UInt64(count) && size % 512 == UInt64(count) }

    /// Of a file that tells none, and of its write-ahead log.
    static func ofDatabase(_ path: String) throws -> SnapshotDigest {
        var (digest, bytes) = (SHA256(), UInt64(0))
        for path in [path, path + "-wal"] where path.hasSuffix("-wal") == false || FileManager.default.fileExists(atPath: path) {
            guard let file = FileHandle(forReadingAtPath: path) else { throw Failure("\(path) cannot be read: is it there, and yours to read?") }
            defer { try? file.close() }
            while let piece = try file.read(upToCount: pieceBytes), !piece.isEmpty {
                digest.update(data: piece)
                bytes += UInt64(piece.count)
            }
        }
        return SnapshotDigest(text: Hex.encode(Array(digest.finalize())), bytes: bytes)
    }

    /// Calls `body` with the path of a copy without the digest, which is gone afterwards.
    /// - Parameter withLog: what stands in a write-ahead log beside it is its, too; its digest says nothing of that.
    static func withBody<T>(_ path: String, in directory: String, withLog: Bool = false, _ body: (String) throws -> T) throws -> T {
        let copy = (directory as NSString).appendingPathComponent(".snapshot-\(UUID().uuidString)")
        defer { for suffix in ["", "-wal", "-shm", "-journal"] { unlink(copy + suffix) } }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        chmod(copy, 0o600)
        if withLog, FileManager.default.fileExists(atPath: path + "-wal") { try FileManager.default.copyItem(atPath: path + "-wal", toPath: copy + "-wal") }
        guard let file = FileHandle(forUpdatingAtPath: copy) else { throw Failure("\(copy) cannot be written") }
        let size = try file.seekToEnd()
        if isWithDigest(size) { try file.truncate(atOffset: size - UInt64(count)) }
        try file.close()
        return try body(copy)
    }
}
