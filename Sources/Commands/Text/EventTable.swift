import Foundation
import Resource

/// The rows of `plasma events`, oldest first, so that the latest stands beside the prompt.
struct EventTable {
    let showsObject: Bool
    private var table: Table

    init(showsObject: Bool, showsHeader: Bool) {
        self.showsObject = showsObject
        table = Table(
            header: ["LAST SEEN", "TYPE", "REASON"] + (showsObject ? ["OBJECT"] : []) + ["MESSAGE"], showsHeader: showsHeader)
    }

    mutating func add(_ event: EventRecord, now: Date) {
        var seen = age(since: event.lastTimestamp, now: now)
        if event.count > 1 { seen += " (x\(event.count) over \(age(since: event.firstTimestamp, now: now)))" }
        var row = [
            Table.Cell(seen), Table.Cell(event.type.rawValue, event.type == .warning ? .bad : .plain), Table.Cell(event.reason),
        ]
        if showsObject { row.append(Table.Cell(slug(event.involvedObject))) }
        row.append(Table.Cell(event.message))
        table.add(row)
    }

    mutating func take(isColored: Bool) -> [String] { table.take(isColored: isColored) }

    static func isEarlier(_ a: EventRecord, _ b: EventRecord) -> Bool {
        (a.lastTimestamp, a.metadata.name) < (b.lastTimestamp, b.metadata.name)
    }
}
