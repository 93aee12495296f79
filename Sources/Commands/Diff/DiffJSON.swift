import Manifest
import Resource

/// One JSON object per line. Every line has `version` and `type`; a reader skips types it does not
/// know.
///
///     {"type":"object","object":"Node/node01","operation":"update","impact":"restart","unknown":false,"file":…,"line":…,"column":…,"note":…}
///     {"type":"change","object":"Node/node01","path":"spec.cpus","from":2,"to":4,"class":"config","impact":"restart"}
///     {"type":"action","object":"Node/node01","action":"restart node01"}
///     {"type":"summary","examined":34,"differing":1,"unknown":0,"gravestImpact":"restart","exitCode":1,"message":…}
enum DiffJSON {
    static func render(_ report: DiffReport, exitCode: Int32) -> String {
        var lines: [[String: JSON]] = []
        for object in report.objects {
            lines.append(line(object))
            lines += object.changes.map { line($0, of: object) }
            lines += object.actions.map { ["type": .string("action"), "object": name(object), "action": .string($0)] }
        }
        let summary = DiffSummary(report)
        lines.append([
            "type": .string("summary"), "examined": count(summary.examined), "differing": count(summary.differing),
            "unknown": count(summary.unknown), "gravestImpact": .string(summary.gravest.rawValue),
            "exitCode": .integer(Int64(exitCode)),
            "message": .string(summary.sentence),
        ])
        return lines.map { members in
            JSON.object(members.merging(["version": .string(report.version)]) { own, _ in own }).text + "\n"
        }.joined()
    }

    private static func line(_ object: ObjectDiff) -> [String: JSON] {
        var members: [String: JSON] = [
            "type": .string("object"), "object": name(object), "operation": .string(object.operation.rawValue),
            "impact": .string(object.impact.rawValue), "unknown": .bool(object.isUnknown),
        ]
        if let file = object.file { members["file"] = .string(file) }
        if let mark = object.mark {
            members["line"] = count(mark.line)
            members["column"] = count(mark.column)
        }
        if let note = object.note { members["note"] = .string(note) }
        return members
    }

    private static func line(_ change: Change, of object: ObjectDiff) -> [String: JSON] {
        var members: [String: JSON] = [
            "type": .string("change"), "object": name(object), "path": .string(change.path),
            "class": .string(change.class.rawValue),
            "impact": .string(change.impact.rawValue),
        ]
        if change.isSecret { members["secret"] = .bool(true) }
        if let from = change.from { members["from"] = change.isSecret ? .string(change.fromText) : from }
        if let to = change.to { members["to"] = change.isSecret ? .string(change.toText) : to }
        return members
    }

    private static func name(_ object: ObjectDiff) -> JSON { .string(object.reference.description) }
    private static func count(_ value: Int) -> JSON { .integer(Int64(value)) }
}
