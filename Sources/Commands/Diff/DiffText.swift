import Resource

/// One block for each object: sign, name, changes with class and impact, what `apply` would do.
enum DiffText {
    static func render(_ report: DiffReport, isColored: Bool) -> String {
        var lines: [String] = []
        for object in report.objects { lines += block(object, isColored: isColored) + [""] }
        lines.append(DiffSummary(report).sentence)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func block(_ object: ObjectDiff, isColored: Bool) -> [String] {
        func paint(_ style: Style, _ text: String) -> String { style.paint(text, isColored: isColored) }
        let (sign, style) = mark(object)
        let place = object.place.map { "  (\(printable($0)))" } ?? ""
        var lines = [
            paint(style, "\(sign) \(printable(object.reference.description))") + " \(object.verdict)" + paint(.dim, place)
        ]
        let pathWidth = object.tellable.map { displayWidth($0.path) }.max() ?? 0
        let values = object.tellable.map { "\($0.fromText) → \($0.toText)" }
        let valueWidth = min(values.map(displayWidth).max() ?? 0, 48)
        for (change, value) in zip(object.tellable, values) {
            let path = printable(change.path) + String(repeating: " ", count: pathWidth - displayWidth(change.path))
            let gap = String(repeating: " ", count: max(valueWidth - displayWidth(value), 0))
            let costs = change.impact == .none ? "" : ", \(change.impact.rawValue)"
            let tag = "[\(change.class.rawValue)\(costs)]"
            lines.append("    \(path)  \(value)\(gap)  " + paint(change.impact >= .replace ? .bad : .dim, tag))
        }
        lines += object.actions.map { "    " + paint(.info, "» ") + printable($0) }
        if let note = object.note { lines.append("    " + paint(.bad, "! ") + printable(note)) }
        return lines
    }

    private static func mark(_ object: ObjectDiff) -> (sign: String, style: Style) {
        if object.isUnknown { return ("?", .bad) }
        switch object.operation {
        case .create: return ("+", .good)
        case .update: return ("~", .busy)
        case .delete: return ("-", .bad)
        case .keep: return ("≠", .busy)
        case .unmanaged: return ("*", .dim)
        }
    }
}
