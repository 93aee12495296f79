import Foundation
import Resource

/// The tables of `get`, one for each kind, kept while rows are appended.
struct RowPrinter {
    let isWide: Bool
    let isPrefixed: Bool
    let showsHeader: Bool
    let reconciled: Set<String>
    let isColored: Bool
    private var tables: [String: ObjectTable] = [:]

    init(isWide: Bool, isPrefixed: Bool, showsHeader: Bool, reconciled: Set<String>, isColored: Bool) {
        self.isWide = isWide
        self.isPrefixed = isPrefixed
        self.showsHeader = showsHeader
        self.reconciled = reconciled
        self.isColored = isColored
    }

    /// The first block of each kind that has objects, set apart by an empty line.
    mutating func blocks(_ parts: [(kind: AnyKind, objects: [any AnyResource])], now: Date) throws -> String {
        var blocks: [String] = []
        for part in parts where !part.objects.isEmpty {
            var table = table(part.kind)
            for object in part.objects { try table.add(object, now: now) }
            blocks.append(table.take(isColored: isColored).map { $0 + "\n" }.joined())
            tables[part.kind.name] = table
        }
        return blocks.joined(separator: "\n")
    }

    mutating func row(_ object: any AnyResource, _ kind: AnyKind, now: Date, isGone: Bool) throws -> String {
        var table = table(kind)
        try table.add(object, now: now, isGone: isGone)
        let text = table.take(isColored: isColored).map { $0 + "\n" }.joined()
        tables[kind.name] = table
        return text
    }

    private func table(_ kind: AnyKind) -> ObjectTable {
        tables[kind.name]
            ?? ObjectTable(
                kind, isWide: isWide, isPrefixed: isPrefixed, isReconciled: reconciled.contains(kind.name),
                showsHeader: showsHeader)
    }
}

/// `--sort-by`.
enum SortKey: Hashable, Sendable {
    case name, age
    case path(JSONPath)

    init(_ text: String) throws {
        switch text {
        case "name", ".metadata.name", "{.metadata.name}": self = .name
        case "age", ".metadata.creationTimestamp", "{.metadata.creationTimestamp}": self = .age
        default: self = .path(try JSONPath(text))
        }
    }

    /// Numbers by size, all else as text; equals by name.
    func sorted(_ objects: [any AnyResource]) throws -> [any AnyResource] {
        switch self {
        case .name: return objects.sorted { $0.name < $1.name }
        case .age: return objects.sorted { ($0.metadata.creationTimestamp, $0.name) < ($1.metadata.creationTimestamp, $1.name) }
        case .path(let path):
            let keyed = try objects.map { object in
                let text = path.evaluate(try object.json())
                return (object: object, number: Double(text), text: text)
            }
            return keyed.sorted { a, b in
                if let x = a.number, let y = b.number, x != y { return x < y }
                return (a.text, a.object.name) < (b.text, b.object.name)
            }.map(\.object)
        }
    }
}
