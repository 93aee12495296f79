import Resource

/// JUnit XML, for CI systems that draw test results: a difference is a failure, an object that
/// could not be observed an error, and what is as it should be one passed case.
enum DiffJUnit {
    static func render(_ report: DiffReport) -> String {
        let summary = DiffSummary(report)
        let isAsWanted = max(report.examined - report.objects.count, 0)
        let tests = report.objects.count + (isAsWanted > 0 || report.objects.isEmpty ? 1 : 0)
        let counts = "tests=\"\(tests)\" failures=\"\(summary.differing)\" errors=\"\(summary.unknown)\""
        var lines = [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<testsuites name=\"plasma diff\" \(counts)>",
            "  <testsuite name=\"plasma diff\" \(counts)>",
        ]
        if isAsWanted > 0 || report.objects.isEmpty {
            let name = isAsWanted == 1 ? "1 object is as it should be" : "\(isAsWanted) objects are as they should be"
            lines.append("    <testcase classname=\"plasma\" name=\"\(name)\"/>")
        }
        for object in report.objects { lines += testCase(object) }
        lines += ["    <system-out>\(escape(summary.sentence))</system-out>", "  </testsuite>", "</testsuites>"]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func testCase(_ object: ObjectDiff) -> [String] {
        let element = object.isUnknown ? "error" : "failure"
        let type = object.isUnknown ? "unknown" : object.operation.rawValue
        let file = object.file.map { " file=\"\(escape($0))\"" } ?? ""
        let line = object.mark.map { " line=\"\($0.line)\"" } ?? ""
        let details = object.tellable.map { change in
            "\(change.path): \(change.fromText) → \(change.toText) [\(change.class.rawValue), \(change.impact.rawValue)]"
        }
        let text = (details + object.actions.map { "» \($0)" } + (object.note.map { ["! \($0)"] } ?? [])).joined(separator: "\n")
        return [
            "    <testcase classname=\"plasma.\(escape(object.kind))\" name=\"\(escape(object.reference.description))\"\(file)\(line)>",
            "      <\(element) type=\"\(type)\" message=\"\(escape(object.note ?? object.verdict))\">\(escape(text))</\(element)>",
            "    </testcase>",
        ]
    }

    /// XML 1.0 knows no way to write most control characters: they become the replacement mark.
    private static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
