/// Rows of text in aligned columns, as kubectl draws them: three spaces between columns, nothing
/// after the last. Rows that come later (a watch) keep the widths, which only ever grow.
struct Table: Sendable {
    struct Cell: Sendable, ExpressibleByStringLiteral {
        var text: String
        var style: Style

        init(_ text: String, _ style: Style = .plain) {
            self.text = printable(text)
            self.style = style
        }

        init(stringLiteral text: String) { self.init(text) }
    }

    private let header: [String]
    private var rows: [[Cell]] = []
    private var widths: [Int]
    private var isHeaderDue: Bool

    init(header: [String], showsHeader: Bool = true) {
        self.header = header
        widths = header.map(displayWidth)
        isHeaderDue = showsHeader
        if !showsHeader { widths = widths.map { _ in 0 } }
    }

    var isEmpty: Bool { rows.isEmpty }

    mutating func add(_ row: [Cell]) {
        precondition(row.count == header.count, "a row has \(row.count) cells under \(header.count) columns")
        rows.append(row)
        for (column, cell) in row.enumerated() { widths[column] = max(widths[column], displayWidth(cell.text)) }
    }

    /// The lines of all rows added since the last call; the header comes before the first of them.
    mutating func take(isColored: Bool = false) -> [String] {
        var lines: [String] = []
        if isHeaderDue { lines.append(line(header.map { Cell($0) }, isColored: isColored)) }
        isHeaderDue = false
        lines += rows.map { line($0, isColored: isColored) }
        rows = []
        return lines
    }

    private func line(_ cells: [Cell], isColored: Bool) -> String {
        let last = cells.lastIndex { !$0.text.isEmpty } ?? 0
        var result = ""
        for (column, cell) in cells.enumerated().prefix(last + 1) {
            result += cell.style.paint(cell.text, isColored: isColored)
            if column < last { result += String(repeating: " ", count: widths[column] - displayWidth(cell.text) + 3) }
        }
        return result
    }
}
