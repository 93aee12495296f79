import Store

/// Rows that were applied and are not in the storage yet, in order. A row that nobody can read any more before it is written
/// never is: with keys that change often those are most.
struct Backlog: Sendable {
    struct Row: Sendable {
        var id: ChangeID
        /// nil: dropped.
        var change: Change?
    }

    /// Being written now.
    private var writing: [Row] = []
    private var waiting: [Row] = []
    private var dropped = 0
    private(set) var bytes = 0
    private var bytesWriting = 0

    var isEmpty: Bool { count == 0 }
    var count: Int { writing.count + waiting.count - dropped }

    mutating func append(_ changes: [Change]) {
        for change in changes {
            waiting.append(Row(id: change.id, change: change))
            bytes += Self.cost(change)
        }
    }

    /// Nobody can read this row any more. A tombstone is written all the same: what it deleted may be in the storage still, and would be back
    /// after a restart, as the log is not asked again for what is marked as stored.
    /// - Returns: false when it does not wait: it is written, or will be.
    mutating func drop(_ id: ChangeID) -> Bool {
        guard let place = Self.place(of: id, waiting), let change = waiting[place].change, !change.isDeleted else { return false }
        waiting[place].change = nil
        bytes -= Self.cost(change)
        dropped += 1
        return true
    }

    private static func cost(_ change: Change) -> Int { change.key.bytes.count + change.valueBytes + 100 }

    subscript(id: ChangeID) -> Change? { Self.change(id, waiting) ?? Self.change(id, writing) }

    private static func change(_ id: ChangeID, _ rows: [Row]) -> Change? { place(of: id, rows).flatMap { rows[$0].change } }

    private static func place(of id: ChangeID, _ rows: [Row]) -> Int? {
        guard let last = rows.last, rows[0].id <= id, id <= last.id else { return nil }
        let place = partition(rows.count) { rows[$0].id >= id }
        return rows[place].id == id ? place : nil
    }

    /// The changes of these revisions: whole revisions only, at least one, until `bytesMax` is exceeded; and the last
    /// revision that was looked through.
    func rows(of revisions: Range<Revision>, bytesMax: Int) -> (changes: [Change], through: Revision) {
        var (changes, bytes): ([Change], Int) = ([], 0)
        for rows in [writing, waiting] {
            let start = partition(rows.count) { rows[$0].id.revision >= revisions.lowerBound }
            for row in rows[start...] {
                guard row.id.revision < revisions.upperBound else { break }
                guard let change = row.change else { continue }
                if bytes > bytesMax, let last = changes.last?.id.revision, last < row.id.revision { return (changes, last) }
                changes.append(change)
                bytes += Self.cost(change)
            }
        }
        return (changes, revisions.upperBound - 1)
    }

    /// What waits is what is being written from now on. Takes no time that others would have to wait.
    mutating func begin() -> [Row] {
        precondition(writing.isEmpty, "rows are being written already")
        swap(&writing, &waiting)
        // As many are to be expected again, and to make room for them little by little is to move them all again and again.
        waiting.reserveCapacity(writing.count)
        dropped = 0
        bytesWriting = bytes
        return writing
    }

    mutating func end(isWritten: Bool) {
        if isWritten {
            bytes -= bytesWriting
        } else {
            waiting = writing + waiting
            dropped = waiting.count { $0.change == nil }
        }
        writing = []
        bytesWriting = 0
    }
}
