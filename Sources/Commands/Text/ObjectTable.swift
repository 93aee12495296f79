import Foundation
import Manifest
import Resource

/// The rows of `plasma get`: NAME, READY, STATUS, the kind's own columns, AGE.
struct ObjectTable {
    let kind: AnyKind
    let isWide: Bool
    /// Names are written as `node/node01`, because rows of several kinds are shown.
    let isPrefixed: Bool
    let isReconciled: Bool
    private let columns: [Column]
    private var table: Table

    init(_ kind: AnyKind, isWide: Bool, isPrefixed: Bool, isReconciled: Bool, showsHeader: Bool) {
        self.kind = kind
        self.isWide = isWide
        self.isPrefixed = isPrefixed
        self.isReconciled = isReconciled
        columns = kind.columns.filter { isWide || !$0.wide }
        let header = ["NAME", "READY", "STATUS"] + columns.map(\.title) + ["AGE"] + (isWide ? ["MESSAGE"] : [])
        table = Table(header: header, showsHeader: showsHeader)
    }

    mutating func add(_ object: any AnyResource, now: Date, isGone: Bool = false) throws {
        let standing = Standing(of: object, isReconciled: isReconciled)
        let json = try object.json()
        var row = [
            Table.Cell(isPrefixed ? slug(object.reference) : object.name),
            Table.Cell(isGone ? "-" : standing.ready),
            isGone ? Table.Cell("Gone", .dim) : Table.Cell(standing.phase, standing.style),
        ]
        row += columns.map { Table.Cell(cellText(json.at($0.path))) }
        row.append(Table.Cell(age(since: object.metadata.creationTimestamp, now: now)))
        if isWide { row.append(Table.Cell(standing.message.isEmpty ? "<none>" : standing.message)) }
        table.add(row)
    }

    mutating func take(isColored: Bool) -> [String] { table.take(isColored: isColored) }
}

/// `node/node01`: how an object is named in output, and may be named in arguments.
func slug(_ reference: Reference) -> String { "\(reference.kind.lowercased())/\(reference.name)" }

/// A value in a table cell: scalars as they are, lists joined by commas, what is absent as `<none>`.
func cellText(_ value: JSON?) -> String {
    switch value {
    case nil, .null?: "<none>"
    case .string(let text)?: text.isEmpty ? "<none>" : text
    case .array(let items)?: items.isEmpty ? "<none>" : items.map { cellText($0) }.joined(separator: ",")
    case let other?: other.text
    }
}
