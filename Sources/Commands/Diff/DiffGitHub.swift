import Manifest
import Resource

/// Workflow commands that GitHub Actions shows beside the manifest's lines:
/// `::warning file=lab.yaml,line=12,col=3,title=Node/node01 spec.cpus::2 → 4 [config, restart]`.
enum DiffGitHub {
    static func render(_ report: DiffReport) -> String {
        let lines = report.objects.flatMap(annotations) + ["::notice title=plasma diff::" + data(DiffSummary(report).sentence)]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func annotations(_ object: ObjectDiff) -> [String] {
        let name = object.reference.description
        if object.isUnknown {
            return [line("error", object, "\(name) could not be observed", object.note ?? "no reason was given")]
        }
        guard !object.changes.isEmpty else { return [line("warning", object, name, object.note ?? object.verdict)] }
        return object.changes.map { change in
            let isGrave = change.impact >= .replace || change.class == .unknown
            return line(
                isGrave ? "error" : "warning", object, "\(name) \(change.path)",
                "\(change.fromText) → \(change.toText) [\(change.class.rawValue), \(change.impact.rawValue)]", mark: change.mark)
        }
    }

    private static func line(_ level: String, _ object: ObjectDiff, _ title: String, _ message: String, mark: Mark? = nil) -> String {
        var properties: [String] = []
        if let file = object.file { properties.append("file=\(property(file))") }
        if let mark = mark ?? object.mark, object.file != nil { properties += ["line=\(mark.line)", "col=\(mark.column)"] }
        properties.append("title=\(property(title))")
        return "::\(level) \(properties.joined(separator: ","))::\(data(message))"
    }

    private static func data(_ text: String) -> String {
        text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
    }

    private static func property(_ text: String) -> String {
        data(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
    }
}
