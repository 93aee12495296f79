import Resource

/// Markdown for a step summary or a comment. GitHub refuses comments of more than 65,536
/// characters, so objects that do not fit are counted instead of shown.
enum DiffMarkdown {
    static func render(_ report: DiffReport, bytesMax: Int = 60_000) -> String {
        let summary = DiffSummary(report)
        var text = "## plasma diff\n\n\(summary.sentence)\n"
        let room = bytesMax - 200
        for (position, object) in report.objects.enumerated() {
            let section = section(object, bytesMax: room / 2)
            guard text.utf8.count + section.utf8.count <= room else {
                let left = report.objects.count - position
                text +=
                    "\n*\(left) more \(left == 1 ? "object is" : "objects are") not shown here for size; the counts above include all.*\n"
                break
            }
            text += section
        }
        return text
    }

    private static func section(_ object: ObjectDiff, bytesMax: Int) -> String {
        var lines = ["", "### \(escape(object.reference.description)) \(object.verdict)"]
        if let place = object.place { lines.append("\n`\(place.replacing("`", with: "'"))`") }
        if !object.tellable.isEmpty {
            lines += ["", "| Field | Now | Wanted | Class | Impact |", "|---|---|---|---|---|"]
            for change in object.tellable {
                let cells = [change.path, change.fromText, change.toText].map { escape(truncated($0, to: 200)) }
                lines.append("| \(cells.joined(separator: " | ")) | \(change.class.rawValue) | \(change.impact.rawValue) |")
            }
        }
        if !object.actions.isEmpty { lines += [""] + object.actions.map { "- " + escape($0) } }
        if let note = object.note { lines += ["", "> " + escape(note)] }
        let text = lines.joined(separator: "\n") + "\n"
        if text.utf8.count <= bytesMax { return text }
        return
            "\n### \(escape(object.reference.description)) \(object.verdict)\n\n*\(object.tellable.count) changes, too many to show.*\n"
    }

    private static func escape(_ text: String) -> String {
        var result = ""
        for character in printable(text) {
            switch character {
            case "\\", "|", "`", "*", "_", "[", "]", "#": result += "\\\(character)"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "@": result += "@\u{200B}"
            default: result.append(character)
            }
        }
        return result
    }
}
