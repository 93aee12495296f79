import Manifest

/// A template in kubectl's JSONPath: text with `{.a.b[0].c}`, `{.items[*].metadata.name}`,
/// `{["a.b"]}`, `{.a\.b}`, `{range .items[*]}…{end}` and `{"\n"}`. Filters, unions and recursive descent are
/// not known and are refused when the template is read, never silently ignored.
struct JSONPath: Hashable, Sendable {
    indirect enum Part: Hashable, Sendable {
        case text(String)
        case path([Step])
        case range([Step], [Part])
    }

    enum Step: Hashable, Sendable {
        /// The whole document, also within {range}.
        case root
        case member(String)
        /// Negative counts from the end.
        case index(Int)
        case slice(Int?, Int?)
        case every
    }

    var source: String
    var parts: [Part]

    /// - Throws: `JSONPathProblem` naming what was not understood and where.
    init(_ source: String) throws(JSONPathProblem) {
        self.source = source
        var reader = JSONPathReader(source)
        parts = try reader.template()
    }

    /// Members that are absent yield nothing; several values are joined by a space.
    func evaluate(_ root: JSON) -> String { JSONPath.evaluate(parts, root: root, current: root) }

    /// All values of a template that is one path and nothing else.
    func values(_ root: JSON) -> [JSON] {
        parts.flatMap { part -> [JSON] in
            if case .path(let steps) = part { JSONPath.follow(steps, from: root, root) } else { [] }
        }
    }

    private static func evaluate(_ parts: [Part], root: JSON, current: JSON) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .path(let steps): follow(steps, from: current, root).map(plain).joined(separator: " ")
            case .range(let steps, let body):
                follow(steps, from: current, root).map { evaluate(body, root: root, current: $0) }.joined()
            }
        }.joined()
    }

    private static func follow(_ steps: [Step], from start: JSON, _ root: JSON) -> [JSON] {
        steps.reduce([start]) { values, step in step == .root ? [root] : values.flatMap { take(step, of: $0) } }
    }

    private static func take(_ step: Step, of value: JSON) -> [JSON] {
        switch (step, value) {
        case (.member(let name), .object(let members)): return members[name].map { [$0] } ?? []
        case (.index(let index), .array(let items)):
            let position = index < 0 ? items.count + index : index
            return items.indices.contains(position) ? [items[position]] : []
        case (.slice(let from, let to), .array(let items)):
            func bound(_ index: Int) -> Int { min(max(index < 0 ? items.count + index : index, 0), items.count) }
            let (low, high) = (bound(from ?? 0), bound(to ?? items.count))
            return low < high ? Array(items[low..<high]) : []
        case (.every, .array(let items)): return items
        case (.every, .object(let members)): return members.sorted { $0.key < $1.key }.map(\.value)
        default: return []
        }
    }

    private static func plain(_ value: JSON) -> String { value.string ?? value.text }
}

struct JSONPathProblem: Error, Hashable, CustomStringConvertible {
    var source: String
    /// Counts from 1.
    var column: Int
    var message: String

    var description: String {
        "jsonpath \"\(source)\", column \(column): \(message)"
    }
}
