import CSQLite
import CStorage
import Glibc
import Host

/// One connection to a SQLite database, used by one caller at a time. It closes itself.
struct SQLite: ~Copyable, Sendable {
    struct Failure: Error, CustomStringConvertible {
        var code: Int32
        var message: String
        var description: String { message }
    }

    let path: String
    /// The connection's address. SQLite's own pointers say nothing of threads; this value is one caller's at a time.
    private let address: Int
    private var handle: OpaquePointer? { OpaquePointer(bitPattern: address) }
    private var statements: [String: Statement] = [:]

    /// A VFS that gives the disk a little at a time, where it writes on a thread that nobody waits for.
    private static let steady: String? = {
        // SQLite keeps the address.
        guard let name = strdup("steady") else { return nil }
        let code = cstorage_register_steady(
            name, Int32(BackgroundThread.pieceBytes), { BackgroundThread.isPatient ? 1 : 0 }, { BackgroundThread.rest() })
        return code == SQLITE_OK ? "steady" : nil
    }()

    init(_ path: String, readOnly: Bool) throws(Failure) {
        var handle: OpaquePointer?
        let flags = (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &handle, flags, Self.steady)
        guard code == SQLITE_OK, let handle else {
            let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw Failure(code: code, message: message)
        }
        self.path = path
        address = Int(bitPattern: handle)
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 5_000)
    }

    deinit {
        for (_, statement) in statements { statement.finalize() }
        sqlite3_close_v2(handle)
    }

    func run(_ sql: String) throws(Failure) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure }
    }

    /// Prepared once and kept.
    mutating func prepare(_ sql: String) throws(Failure) -> Statement {
        if let statement = statements[sql] { return statement }
        var pointer: OpaquePointer?
        guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil) == SQLITE_OK, let pointer
        else { throw failure }
        let statement = Statement(pointer)
        statements[sql] = statement
        return statement
    }

    /// Calls `body` for each row; it stops when that answers false.
    mutating func query(
        _ sql: String, _ bind: (Statement) -> Void = { _ in }, _ body: (Statement) throws -> Bool
    ) throws {
        let statement = try prepare(sql)
        defer { statement.reset() }
        bind(statement)
        while true {
            switch statement.step() {
            case SQLITE_ROW: guard try body(statement) else { return }
            case SQLITE_DONE: return
            default: throw failure
            }
        }
    }

    mutating func integer(_ sql: String) throws -> Int64 {
        var answer: Int64 = 0
        try query(sql) { row in
            answer = row.integer(0)
            return false
        }
        return answer
    }

    mutating func change(_ sql: String, _ bind: (Statement) -> Void) throws(Failure) {
        let statement = try prepare(sql)
        defer { statement.reset() }
        bind(statement)
        guard statement.step() == SQLITE_DONE else { throw failure }
    }

    /// - Returns: whether all frames of the write-ahead log are in the database file now, and the log is empty.
    func checkpoint() throws(Failure) -> Bool {
        // A reader with an older view, such as a copy being made, is not waited for: the next checkpoint moves the rest.
        sqlite3_busy_timeout(handle, 0)
        defer { sqlite3_busy_timeout(handle, 5_000) }
        var (frames, moved): (Int32, Int32) = (0, 0)
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_TRUNCATE, &frames, &moved)
        if code & 0xFF == SQLITE_BUSY { return false }
        guard code == SQLITE_OK else { throw failure }
        return moved >= frames
    }

    private var failure: Failure {
        Failure(code: sqlite3_extended_errcode(handle), message: String(cString: sqlite3_errmsg(handle)))
    }

    /// A prepared statement of the connection that made it.
    struct Statement: Sendable {
        private let address: Int
        private var pointer: OpaquePointer? { OpaquePointer(bitPattern: address) }

        fileprivate init(_ pointer: OpaquePointer) { address = Int(bitPattern: pointer) }

        fileprivate func step() -> Int32 { sqlite3_step(pointer) }
        fileprivate func reset() {
            sqlite3_reset(pointer)
            sqlite3_clear_bindings(pointer)
        }
        fileprivate func finalize() { sqlite3_finalize(pointer) }

        /// Places count from 1.
        func bind(_ number: Int64, at place: Int32) { sqlite3_bind_int64(pointer, place, number) }
        func bind(_ text: String, at place: Int32) { sqlite3_bind_text(pointer, place, text, -1, Self.copies) }
        func bind(_ bytes: [UInt8], at place: Int32) {
            _ = bytes.withUnsafeBytes { raw in
                raw.isEmpty
                    ? sqlite3_bind_zeroblob(pointer, place, 0)
                    : sqlite3_bind_blob(pointer, place, raw.baseAddress, Int32(raw.count), Self.copies)
            }
        }
        /// SQLITE_TRANSIENT, which C defines by a cast that Swift does not import.
        private static var copies: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

        /// Columns count from 0. Valid until the next step.
        func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }
        func text(_ column: Int32) -> String { sqlite3_column_text(pointer, column).map { String(cString: $0) } ?? "" }
        func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
            let start = sqlite3_column_blob(pointer, column)
            return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(pointer, column)))
        }
    }
}

extension SQLite.Failure {
    var isFull: Bool { code & 0xFF == SQLITE_FULL || code == SQLITE_IOERR | (19 << 8) }   // IOERR_SHMSIZE
    var isDamage: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB].contains(code & 0xFF) }
    var isBusy: Bool { [SQLITE_BUSY, SQLITE_LOCKED].contains(code & 0xFF) }
}
