import Manifest
import Resource

/// SARIF 2.1.0 (OASIS), for code scanning: one result for each change, at the manifest's line.
enum DiffSARIF {
    private static let rules: [(id: String, text: String)] = [
        ("config", "The manifest differs from the store."),
        ("drift", "The store differs from the world."),
        ("both", "The manifest, the store and the world all differ."),
        ("unknown", "The world could not be observed."),
        ("unmanaged", "Something is in the world that nobody declared."),
    ]

    static func render(_ report: DiffReport, version: String) -> String {
        let rules = rules.map { JSON.object(["id": .string($0.id), "shortDescription": message($0.text)]) }
        let driver = JSON.object(["name": .string("plasma"), "version": .string(version), "rules": .array(rules)])
        let summary = DiffSummary(report)
        let run = JSON.object([
            "tool": .object(["driver": driver]),
            "columnKind": .string("unicodeCodePoints"),
            "results": .array(report.objects.flatMap(results)),
            "properties": .object(["examined": .integer(Int64(summary.examined)), "summary": .string(summary.sentence)]),
        ])
        let document = JSON.object([
            "$schema": .string("https://json.schemastore.org/sarif-2.1.0.json"), "version": .string("2.1.0"),
            "runs": .array([run]),
        ])
        return ObjectPrinter.terminated(ObjectPrinter.text(document))
    }

    private static func results(_ object: ObjectDiff) -> [JSON] {
        let name = object.reference.description
        if object.isUnknown {
            return [
                result(
                    "unknown", "error", "\(name) could not be observed: \(object.note ?? "no reason was given")", object, path: ""
                )
            ]
        }
        let rule = object.operation == .unmanaged ? "unmanaged" : "config"
        guard !object.changes.isEmpty else {
            return [result(rule, "warning", "\(name) \(object.note ?? object.verdict)", object, path: "")]
        }
        return object.changes.map { change in
            let level = change.impact >= .replace || change.class == .unknown ? "error" : "warning"
            let text = "\(name) \(change.path): \(change.fromText) → \(change.toText) (impact: \(change.impact.rawValue))"
            return result(change.class.rawValue, level, text, object, path: change.path, mark: change.mark)
        }
    }

    private static func result(_ rule: String, _ level: String, _ text: String, _ object: ObjectDiff, path: String, mark: Mark? = nil) -> JSON {
        var members: [String: JSON] = [
            "ruleId": .string(rule), "ruleIndex": .integer(Int64(rules.firstIndex { $0.id == rule } ?? 0)),
            "level": .string(level),
            "message": message(text),
            "partialFingerprints": .object(["plasma/v1": .string("\(object.reference) \(path) \(rule)")]),
        ]
        // Code scanning takes no result without a place: what no manifest speaks of has a name in the place of a file.
        var location: [String: JSON] = ["artifactLocation": .object(["uri": .string(uri(object.file ?? "plasma"))])]
        if object.file != nil, let mark = mark ?? object.mark {
            location["region"] = .object(["startLine": .integer(Int64(mark.line)), "startColumn": .integer(Int64(mark.column))])
        }
        members["locations"] = .array([.object(["physicalLocation": .object(location)])])
        return .object(members)
    }

    private static func message(_ text: String) -> JSON { .object(["text": .string(text)]) }

    /// A file name as the path of a URI (RFC 3986): unreserved characters and slashes stand, the
    /// rest is percent-encoded.
    private static func uri(_ file: String) -> String {
        file.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"):
                return String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                return "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }.joined()
    }
}
