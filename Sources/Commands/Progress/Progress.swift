import Host
import Manifest
import Resource

/// How far a set of objects has come on its way to what somebody waits for. Changes go in; plain
/// lines, live lines and the verdict come out. It knows no terminal and no clock.
struct Progress {
    enum Goal: Hashable, Sendable {
        /// Ready for the spec as it stands now.
        case ready
        case absent
        case condition(type: String, status: String)
        /// nil: any value at all.
        case jsonPath(JSONPath, String?)
    }

    struct Entry {
        var reference: Reference
        var goal: Goal
        /// nil until it was looked at.
        var sight: Sight?
        var metAt: Instant?
    }

    /// What was last seen of an object.
    struct Sight: Hashable {
        var phase: String
        var message: String
        var isMet: Bool
        var isStalled: Bool
        var waitsOn: Reference?
        var style: Style

        /// `Waiting: waiting on Disk/node01-vda`
        var text: String {
            message.isEmpty || message.lowercased() == phase.lowercased() ? phase : "\(phase): \(message)"
        }
    }

    private(set) var entries: [Entry]
    let start: Instant
    private let reconciled: Set<String>

    init(_ goals: [(reference: Reference, goal: Goal)], reconciled: Set<String>, start: Instant) {
        entries = goals.map { Entry(reference: $0.reference, goal: $0.goal) }
        self.reconciled = reconciled
        self.start = start
    }

    /// Takes what an object is now; nil when it is not there.
    /// - Returns: the line that says so where lines are printed once; nil when nothing changed.
    mutating func observe(_ reference: Reference, _ object: (any AnyResource)?, now: Instant) -> String? {
        guard let index = entries.firstIndex(where: { $0.reference == reference }) else { return nil }
        let sight = sight(of: object, goal: entries[index].goal)
        guard sight != entries[index].sight else { return nil }
        entries[index].sight = sight
        entries[index].metAt = sight.isMet ? now : nil
        return "\(padded(elapsed(now - start), 6))  \(slug(reference))  \(printable(sight.text))"
    }

    var isDone: Bool { entries.allSatisfy { $0.sight?.isMet == true } }
    var unmet: [Entry] { entries.filter { $0.sight?.isMet != true } }

    /// No waiting helps: everything that is missing stands still until a person changes something,
    /// or waits on such an object.
    var isHopeless: Bool {
        let unmet = unmet
        guard !unmet.isEmpty else { return false }
        var hopeless = Set(unmet.filter { $0.sight?.isStalled == true }.map(\.reference))
        while let next = unmet.first(where: {
            !hopeless.contains($0.reference) && $0.sight?.waitsOn.map(hopeless.contains) == true
        }) {
            hopeless.insert(next.reference)
        }
        return hopeless.count == unmet.count
    }

    private func sight(of object: (any AnyResource)?, goal: Goal) -> Sight {
        guard let object else {
            let isMet = goal == .absent
            return Sight(
                phase: isMet ? "Gone" : "NotFound", message: "", isMet: isMet, isStalled: false, style: isMet ? .good : .bad)
        }
        let standing = Standing(of: object, isReconciled: reconciled.contains(object.reference.kind))
        let (isMet, extra) = meets(object, goal)
        let message = standing.message.isEmpty && !isMet ? extra : standing.message
        return Sight(
            phase: standing.phase, message: message, isMet: isMet, isStalled: standing.isStalled && goal != .absent,
            waitsOn: WaitChain.target(of: object), style: isMet ? .good : standing.style)
    }

    /// Whether the goal is met, and what there is to say when the object itself gives no reason.
    private func meets(_ object: any AnyResource, _ goal: Goal) -> (Bool, String) {
        switch goal {
        case .ready: return (object.isReady, "")
        case .absent: return (false, "not gone yet")
        case .condition(let type, let status):
            let found = object.summary?.conditions.first { $0.type.lowercased() == type.lowercased() }
            guard let found else { return (false, "has no condition \(type)") }
            guard found.observedGeneration >= object.metadata.generation else {
                return (false, "its last change has not been looked at yet")
            }
            return (found.status.rawValue.lowercased() == status.lowercased(), "\(type) is \(found.status.rawValue)")
        case .jsonPath(let path, let wanted):
            guard let json = try? object.json() else { return (false, "cannot be read") }
            let text = path.evaluate(json)
            guard let wanted else { return (!path.values(json).isEmpty, "\(path.source) is absent") }
            return (text == wanted, "\(path.source) is \"\(text)\"")
        }
    }
}

/// `14s`, `2m5s`
func elapsed(_ duration: Duration) -> String { humanDuration(seconds: Int(duration.components.seconds)) }

private func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(width - text.count, 0)) + text }
