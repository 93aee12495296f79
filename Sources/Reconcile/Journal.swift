import Foundation
import Resource
import Store

import enum Store.Operation

/// Turns rounds into events for people. An event that repeats raises its count instead of standing
/// there again.
struct Journal: Sendable {
    private struct Line: Hashable { var reason: String, message: String }

    /// A transaction holds so many operations (etcd: 128), and nobody reads more.
    private static let happeningsMax = 32

    private var known: [Line: EventRecord] = [:]
    private var lastCondition: Condition?
    private var serial = 0

    /// The event records to put beside the round's own writes.
    mutating func entries<P>(for round: Round<P>, about object: Reference, now: Date) throws -> [Operation] {
        var lines: [(Line, EventRecord.Gravity)] = []
        for child in round.children.create { lines.append((Line(reason: "Created", message: "created \(child.reference)"), .normal)) }
        for child in round.children.update { lines.append((Line(reason: "Updated", message: "updated \(child.reference)"), .normal)) }
        for child in round.children.retire { lines.append((Line(reason: "Retired", message: "retired \(child.reference)"), .normal)) }
        for happening in round.happenings.prefix(Self.happeningsMax) {
            lines.append((Line(reason: happening.reason, message: happening.message), happening.isWarning ? .warning : .normal))
        }
        if round.happenings.count > Self.happeningsMax {
            let others = round.happenings.count - Self.happeningsMax
            lines.append((Line(reason: "MoreHappened", message: "\(others) more at the same time; the status tells them"), .normal))
        }
        for action in round.actions { lines.append((Line(reason: "Performing", message: action.description), .normal)) }
        if round.condition != lastCondition, round.status != nil || round.isGone {
            switch round.condition {
            case .converging, .waiting: if round.actions.isEmpty { lines.append((line(round.condition), .normal)) }
            case .ready: lines.append((Line(reason: round.isGone ? "Deleted" : "Ready", message: round.isGone ? "gone" : "ready"), .normal))
            case .failing(let why, _): lines.append((Line(reason: "Failing", message: why), .warning))
            case .stalled: lines.append((line(round.condition), .warning))
            }
            lastCondition = round.condition
        }
        // A transaction puts a key once: equal lines are counted in one record.
        var events: [(line: Line, event: EventRecord)] = []
        var places: [Line: Int] = [:]
        for (line, gravity) in lines {
            if let place = places[line] {
                events[place].event.count += 1
                continue
            }
            var event = known[line] ?? EventRecord(
                name: name(object, now), about: object, type: gravity, reason: line.reason, message: line.message, count: 0, first: now,
                last: now)
            event.count += 1
            event.lastTimestamp = now
            places[line] = events.count
            events.append((line, event))
        }
        var operations: [Operation] = []
        for (line, event) in events {
            if known.count >= 64 { known = [:] }
            known[line] = event
            operations.append(.put(Key(Registry.events + event.metadata.name), try Wire.encode(event)))
        }
        return operations
    }

    private func line(_ condition: Condition) -> Line { Line(reason: condition.reason, message: condition.message) }

    /// `node.node01.66f2a1b0c-3`: sorts by time within an object.
    private mutating func name(_ object: Reference, _ now: Date) -> String {
        serial += 1
        return "\(object.kind.lowercased()).\(object.name).\(String(Int(now.timeIntervalSince1970), radix: 16))-\(serial)"
    }
}
