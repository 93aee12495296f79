import Manifest
import Resource

/// A request's query, read strictly: a parameter that would silently do nothing is refused.
struct Query: Sendable {
    private var values: [(name: String, value: String)] = []

    /// What Kubernetes' clients send without meaning anything by it here.
    private static let harmless: Set<String> = ["pretty", "timeout", "fieldValidation", "resourceVersionMatch"]

    /// - Parameter text: what follows the `?`, still encoded.
    init(_ text: String?) throws(Refusal) {
        for pair in (text ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(parts[0], plusIsSpace: true),
                let value = percentDecoded(parts.count == 2 ? parts[1] : "", plusIsSpace: true)
            else { throw .badRequest("the query \"\(pair)\" has a broken percent-encoding") }
            values.append((name, value))
        }
    }

    func allow(_ names: String...) throws(Refusal) {
        for (name, _) in values where !names.contains(name) && !Self.harmless.contains(name) {
            let near = nearest(to: name, among: names)
            throw .badRequest(
                "unknown query parameter \"\(name)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? knownNames(names)))
        }
        for name in names where values.count(where: { $0.name == name }) > 1 {
            throw .badRequest("query parameter \"\(name)\" is given twice")
        }
    }

    private func knownNames(_ names: [String]) -> String {
        names.isEmpty ? "; none is known here" : "; known here: \(names.sorted().joined(separator: ", "))"
    }

    subscript(name: String) -> String? { values.first { $0.name == name }?.value }

    func flag(_ name: String) throws(Refusal) -> Bool {
        switch self[name] {
        case nil, "false", "0": return false
        case "true", "1", "": return true
        case let other?: throw .badRequest("query parameter \(name): \"\(other)\" is neither true nor false")
        }
    }

    func integer(_ name: String, _ range: ClosedRange<Int64>) throws(Refusal) -> Int64? {
        guard let text = self[name], !text.isEmpty else { return nil }
        guard let value = Int64(text), range.contains(value) else {
            throw .badRequest("query parameter \(name): \"\(text)\" is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    var isDryRun: Bool {
        get throws(Refusal) {
            switch self["dryRun"] {
            case nil, "": return false
            case "All": return true
            case let other?: throw .badRequest("query parameter dryRun: \"\(other)\" is not \"All\"")
            }
        }
    }

    /// 1 to 128 printable characters, as Kubernetes has it.
    var fieldManager: String? {
        get throws(Refusal) {
            guard let name = self["fieldManager"] else { return nil }
            guard (1...128).contains(name.count), name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
                throw .badRequest("query parameter fieldManager must have 1 to 128 printable characters")
            }
            return name
        }
    }

    var labelSelector: LabelSelector? {
        get throws(Refusal) {
            guard let text = self["labelSelector"], !text.isEmpty else { return nil }
            do { return try LabelSelector(text) } catch { throw .badRequest("\(error)") }
        }
    }

    func fieldSelector(_ known: [String]) throws(Refusal) -> FieldSelector? {
        guard let text = self["fieldSelector"], !text.isEmpty else { return nil }
        return try FieldSelector(text, known: known)
    }
}

/// Picks objects by a few of their fields: `metadata.name=node01,involvedObject.kind!=Disk`.
struct FieldSelector: Hashable, Sendable {
    struct Requirement: Hashable, Sendable {
        var path: String
        var value: String
        var isEqual: Bool
    }

    var requirements: [Requirement] = []

    init(_ text: String, known: [String]) throws(Refusal) {
        for part in text.split(separator: ",") {
            let isEqual = !part.contains("!=")
            let sides = part.split(separator: isEqual ? "=" : "!=", maxSplits: 1).map { String($0).trimmed }
            guard sides.count == 2, known.contains(sides[0]) else {
                throw .badRequest("fieldSelector \"\(part)\" is not known; write \(known.map { "\($0)=…" }.joined(separator: " or "))")
            }
            let value = sides[1].hasPrefix("=") ? String(sides[1].dropFirst()) : sides[1]
            requirements.append(Requirement(path: sides[0], value: value, isEqual: isEqual))
        }
    }

    func matches(_ object: JSON) -> Bool {
        requirements.allSatisfy { (object.at($0.path)?.string == $0.value) == $0.isEqual }
    }
}
