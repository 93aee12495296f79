import Manifest
import Resource

/// The counts of a report and the sentence made of them. Every format ends with this, and the exit
/// code comes from the same report, so that the two cannot disagree.
struct DiffSummary: Hashable, Sendable {
    var examined: Int
    var differing: Int
    var unknown: Int
    var operations: [(operation: ObjectDiff.Operation, count: Int)] { ordered(operationCounts) }
    var classes: [(class: Change.Class, count: Int)] {
        Change.Class.allCases.compactMap { value in classCounts[value].map { (value, $0) } }
    }
    var gravest: Impact
    private var operationCounts: [ObjectDiff.Operation: Int]
    private var classCounts: [Change.Class: Int]

    init(_ report: DiffReport) {
        examined = report.examined
        unknown = report.objects.filter(\.isUnknown).count
        differing = report.objects.count - unknown
        operationCounts = Dictionary(grouping: report.objects.filter { !$0.isUnknown }, by: \.operation).mapValues(\.count)
        classCounts = Dictionary(grouping: report.objects.flatMap(\.changes), by: \.class).mapValues(\.count)
        gravest = report.objects.map(\.impact).max() ?? .none
    }

    private func ordered(_ counts: [ObjectDiff.Operation: Int]) -> [(operation: ObjectDiff.Operation, count: Int)] {
        ObjectDiff.Operation.allCases.compactMap { value in counts[value].map { (value, $0) } }
    }

    /// `2 of 34 objects differ (1 create, 1 update); changes: 1 config, 2 drift; gravest impact: restart.`
    var sentence: String {
        let objects = examined == 1 ? "1 object" : "\(examined) objects"
        var sentences: [String] = []
        if unknown > 0 {
            sentences.append(
                "\(unknown) of \(objects) could not be observed: whether \(unknown == 1 ? "it differs" : "they differ") is not known."
            )
        }
        if differing > 0 {
            let kinds = operations.map { "\($0.count) \(words($0.operation))" }.joined(separator: ", ")
            var clauses = ["\(differing) of \(objects) \(differing == 1 ? "differs" : "differ") (\(kinds))"]
            if !classes.isEmpty {
                clauses.append("changes: " + classes.map { "\($0.count) \($0.class.rawValue)" }.joined(separator: ", "))
            }
            if gravest != .none { clauses.append("gravest impact: \(gravest.rawValue)") }
            sentences.append(clauses.joined(separator: "; ") + ".")
        } else if unknown == 0 {
            sentences.append("No differences: \(objects) examined.")
        }
        return sentences.joined(separator: " ")
    }

    private func words(_ operation: ObjectDiff.Operation) -> String { operation == .keep ? "drifted" : operation.rawValue }

    static func == (a: DiffSummary, b: DiffSummary) -> Bool { a.sentence == b.sentence }
    func hash(into hasher: inout Hasher) { hasher.combine(sentence) }
}

/// A report whose objects and changes stand in one order, whoever made it.
func sorted(_ report: DiffReport) -> DiffReport {
    var report = report
    report.objects.sort { $0.reference < $1.reference }
    for index in report.objects.indices {
        report.objects[index].changes.sort { ($0.path, $0.class.rawValue) < ($1.path, $1.class.rawValue) }
    }
    return report
}

extension Change {
    /// Fields whose name says that the value is a secret: only that they changed is told.
    var isSecret: Bool {
        // Also of `annotations["example.org/password"]`.
        let last = path.split { ".]\"".contains($0) }.last.map { $0.lowercased() } ?? ""
        return ["password", "passphrase", "secret", "token", "privatekey"].contains { last.hasSuffix($0) }
            && [from, to].allSatisfy { $0?.object == nil }
    }

    var fromText: String { isSecret && from != nil ? "(hidden)" : Change.text(from) }
    var toText: String { isSecret && to != nil ? "(hidden)" : Change.text(to) }

    private static func text(_ value: JSON?) -> String {
        switch value {
        case nil: "(absent)"
        case .string(let text)?: text.isEmpty ? "\"\"" : printable(text)
        case let other?: printable(other.text)
        }
    }
}

extension ObjectDiff {
    /// `lab.yaml:12`, where the manifest speaks of it.
    var place: String? { file.map { file in mark.map { "\(file):\($0.line)" } ?? file } }

    /// The changes that have something to say: not the one that stands for what could not be seen.
    var tellable: [Change] { changes.filter { !($0.path.isEmpty && $0.from == nil && $0.to == nil) } }

    /// What is said of the object as a whole.
    var verdict: String {
        if isUnknown { return "could not be observed" }
        switch operation {
        case .create: return "will be created"
        case .update: return "will be changed"
        case .delete: return "will be deleted"
        case .keep where changes.isEmpty: return "is not as it should be"
        case .keep where changes.allSatisfy { $0.class == .config }: return "follows a change of others"
        case .keep: return "has drifted"
        case .unmanaged: return "is not managed: nobody declared it, and plasma leaves it alone"
        }
    }
}
