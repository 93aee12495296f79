import Store

/// Rows that were applied and are not in the storage yet, in order.
struct Backlog: Sendable {
    /// Being written now.
    private(set) var writing: [Change] = []
    private var waiting: [Change] = []
    private(set) var bytes = 0
    private var bytesWriting = 0

    var isEmpty: Bool { writing.isEmpty && waiting.isEmpty }
    var count: Int { writing.count + waiting.count }

    mutating func append(_ changes: [Change]) {
        waiting += changes
        for change in changes { bytes += Self.cost(change) }
    }

    private static func cost(_ change: Change) -> Int { change.key.bytes.count + change.valueBytes + 100 }

    subscript(id: ChangeID) -> Change? { Self.find(id, waiting) ?? Self.find(id, writing) }

    private static func find(_ id: ChangeID, _ rows: [Change]) -> Change? {
        guard let last = rows.last, let first = rows.first, first.id <= id, id <= last.id else { return nil }
        let place = partition(rows.count) { rows[$0].id >= id }
        return rows[place].id == id ? rows[place] : nil
    }

    func rows(of revisions: Range<Revision>) -> [Change] {
        (writing + waiting).filter { revisions.contains($0.id.revision) }
    }

    /// What waits is what is being written from now on.
    mutating func begin() -> [Change] {
        precondition(writing.isEmpty, "rows are being written already")
        swap(&writing, &waiting)
        bytesWriting = bytes
        return writing
    }

    mutating func end(isWritten: Bool) {
        if isWritten { bytes -= bytesWriting } else { waiting = writing + waiting }
        writing = []
        bytesWriting = 0
    }
}
