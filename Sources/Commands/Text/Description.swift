import Foundation
import Manifest
import Resource

/// The page of `plasma describe`: what the object is, what it shall be, where it stands and why,
/// what it waits on down to the root cause, what it owns, what happened lately.
struct Description {
    var object: any AnyResource
    /// Every object that may be a cause or a child, by reference.
    var world: [Reference: any AnyResource]
    var events: [EventRecord]
    var reconciled: Set<String>
    var now: Date
    var eventsMax = 15

    func text(isColored: Bool) throws -> String {
        let json = try object.json()
        var lines = head()
        lines += state(isColored: isColored)
        lines += block("Spec", json["spec"])
        lines += block("Status", json["status"].map(ownStatus))
        lines += conditions()
        lines += children(isColored: isColored)
        lines += recentEvents(isColored: isColored)
        return lines.joined(separator: "\n") + "\n"
    }

    private func head() -> [String] {
        let metadata = object.metadata
        var fields: [(String, String)] = [("Name", object.name), ("Kind", object.reference.kind)]
        if !metadata.uid.isEmpty { fields.append(("UID", metadata.uid)) }
        fields.append(("Labels", pairs(metadata.labels)))
        fields.append(("Annotations", pairs(metadata.annotations)))
        if let owner = metadata.owner { fields.append(("Owner", owner.reference.description)) }
        fields.append(("Created", moment(metadata.creationTimestamp)))
        if let leaving = metadata.deletionTimestamp {
            fields.append(("Deletion", "asked for at \(moment(leaving))"))
            fields.append(("Finalizers", metadata.finalizers.isEmpty ? "<none>" : metadata.finalizers.joined(separator: ", ")))
        }
        let observed = object.summary.map { "observed \($0.observedGeneration)" } ?? "not observed"
        fields.append(("Generation", "\(metadata.generation) (\(observed))"))
        return fields.map { label($0.0) + printable($0.1) }
    }

    private func state(isColored: Bool) -> [String] {
        let standing = Standing(of: object, isReconciled: reconciled.contains(object.reference.kind))
        var lines = [label("State") + standing.style.paint(standing.phase, isColored: isColored)]
        if standing.phase == "Suspended" {
            lines.append(label("") + "nothing is performed until: plasma resume \(slug(object.reference))")
        }
        if !standing.message.isEmpty { lines.append(label("Cause") + printable(standing.message)) }
        if let attempt = object.summary?.attempt {
            let next = object.summary?.nextAttempt.map { "next try \(ahead($0))" } ?? "no next try is planned"
            lines.append(label("Attempt") + "\(attempt), \(next)")
        }
        let chain = WaitChain(of: object, among: world, reconciled: reconciled)
        for (depth, line) in chain.lines().enumerated() {
            lines.append(label(depth == 0 ? "Because" : "") + String(repeating: "  ", count: depth) + printable(line))
        }
        if let last = chain.links.last, let next = world[last.reference]?.summary?.nextAttempt, let attempt = last.attempt {
            lines.append(
                label("") + String(repeating: "  ", count: chain.links.count) + "attempt \(attempt), next try \(ahead(next))")
        }
        return lines
    }

    /// What every kind has is told elsewhere on the page.
    private func ownStatus(_ status: JSON) -> JSON {
        var own = status
        for common in ["conditions", "observedGeneration", "phase", "attempt", "nextAttempt"] { own[common] = nil }
        return own
    }

    private func block(_ title: String, _ value: JSON?) -> [String] {
        guard let value, value.object?.isEmpty == false else { return [] }
        let lines = value.yaml().split(separator: "\n", omittingEmptySubsequences: true)
        return ["\(title):"] + lines.map { "  " + printable(String($0)) }
    }

    private func conditions() -> [String] {
        guard let conditions = object.summary?.conditions, !conditions.isEmpty else { return [] }
        var table = Table(header: ["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"])
        for condition in conditions {
            table.add([
                Table.Cell(condition.type), Table.Cell(condition.status.rawValue),
                Table.Cell(age(since: condition.lastTransitionTime, now: now)), Table.Cell(condition.reason),
                Table.Cell(condition.message),
            ])
        }
        return ["Conditions:"] + table.take().map { "  " + $0 }
    }

    private func children(isColored: Bool) -> [String] {
        let children = world.values.filter { $0.metadata.owner?.reference == object.reference }.sorted {
            $0.reference < $1.reference
        }
        guard !children.isEmpty else { return [] }
        var table = Table(header: ["NAME", "READY", "STATUS", "MESSAGE"])
        for child in children {
            let standing = Standing(of: child, isReconciled: reconciled.contains(child.reference.kind))
            table.add([
                Table.Cell(child.reference.description), Table.Cell(standing.ready), Table.Cell(standing.phase, standing.style),
                Table.Cell(standing.message),
            ])
        }
        return ["Children:"] + table.take(isColored: isColored).map { "  " + $0 }
    }

    private func recentEvents(isColored: Bool) -> [String] {
        guard !events.isEmpty else { return [label("Events") + "<none>"] }
        var table = EventTable(showsObject: false, showsHeader: true)
        let latest = events.sorted(by: EventTable.isEarlier).suffix(eventsMax)
        for event in latest { table.add(event, now: now) }
        let title = events.count > eventsMax ? "Events (the last \(eventsMax) of \(events.count)):" : "Events:"
        return [title] + table.take(isColored: isColored).map { "  " + $0 }
    }

    private func label(_ name: String) -> String {
        (name.isEmpty ? "" : name + ":").padding(toLength: 13, withPad: " ", startingAt: 0)
    }

    private func pairs(_ pairs: [String: String]) -> String {
        pairs.isEmpty ? "<none>" : pairs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    }

    private func moment(_ date: Date) -> String {
        date.timeIntervalSince1970 <= 0 ? "<unknown>" : "\(timestamp(date)) (\(age(since: date, now: now)) ago)"
    }

    private func ahead(_ date: Date) -> String {
        let seconds = Int(date.timeIntervalSince(now).rounded(.up))
        return seconds <= 0 ? "due now" : "in \(humanDuration(seconds: seconds))"
    }
}
