import Foundation
import Resource
import Store

/// What one round decided to write: the pure half of the controller.
package struct Round<P: Planner>: Sendable {
    /// The status to show, drawn from the plan; nil when it stands there already.
    package var status: Resource<P.K>?
    package var children: ChildChanges
    /// Whether the record may go.
    package var isGone: Bool
    package var condition: Condition
    /// Nil when suspended.
    package var actions: [P.Action]
    package var happenings: [Happening]

    /// - Parameters:
    ///   - failure: what went wrong in this round, and when the next attempt comes.
    package init(
        _ resource: Resource<P.K>, plan: Plan<P.K, P.Action>, ledger: Ledger, now: Date,
        failure: (message: String, attempt: Int, next: Date?)? = nil, makeUID: () -> String
    ) {
        let isSuspended = resource.metadata.annotations[Annotation.suspended] == "true"
        children = isSuspended || failure != nil
            ? ChildChanges(of: resource, wanted: ledger.children(ofUID: resource.metadata.uid), in: ledger, now: now, makeUID: makeUID)
            : ChildChanges(of: resource, wanted: plan.children, in: ledger, now: now, makeUID: makeUID)
        let remaining = ledger.children(ofUID: resource.metadata.uid)
        condition = plan.condition
        actions = plan.actions
        happenings = failure == nil ? plan.happenings : []
        var phase: String?
        var detail = plan.status
        if let failure {
            condition = .failing(failure.message, attempt: failure.attempt)
            actions = []
        } else if let foreign = children.foreign.first {
            condition = .stalled("\(foreign) exists and belongs to somebody else; delete or rename it")
            (actions, detail) = ([], plan.statusIfHeld ?? plan.status)
        } else if let unreadable = children.unreadable.first ?? plan.condition.waitedFor, ledger.whyUnreadable(unreadable) != nil {
            condition = ledger.stalled(byUnreadable: unreadable)
            (actions, detail) = ([], plan.statusIfHeld ?? plan.status)
        } else if isSuspended {
            let isHeldBack = !actions.isEmpty || !ChildChanges(of: resource, wanted: plan.children, in: ledger, now: now, makeUID: makeUID).isEmpty
            (actions, detail) = ([], plan.statusIfHeld ?? plan.status)
            phase = "Suspended"
            if condition != .ready || resource.metadata.isLeaving || isHeldBack {
                condition = .stalled("suspended; `plasma resume \(resource.reference)` lets it go on (\(condition == .ready && isHeldBack ? "what its spec changes is held back" : plan.condition.summary))")
            }
        } else if resource.metadata.isLeaving, condition == .ready, let child = ledger.unreadableChild(ofUID: resource.metadata.uid) {
            condition = ledger.stalled(byUnreadable: child)
        } else if resource.metadata.isLeaving, condition == .ready, let child = remaining.first {
            condition = .waiting(on: child.reference, "it is leaving")
        } else if condition == .ready, let child = children.update.first(where: { $0.metadata.generation != ledger[$0.reference]?.metadata.generation }) {
            // What it says of itself is of what was wanted before.
            condition = .waiting(on: child.reference, "not looked at yet")
        }
        // Who waits on what stands still stands still as well, and says so: no patience helps.
        let isStuck = condition.waitedFor.map { ledger[$0]?.summary?.condition("Stalled")?.status == .yes } ?? false
        if isStuck { phase = phase ?? "Stalled" }
        isGone = resource.metadata.isLeaving && condition == .ready && remaining.isEmpty && children.isEmpty && actions.isEmpty
        var shown = resource
        shown.status = StatusRecord(
            observedGeneration: resource.metadata.generation,
            conditions: condition.records(
                generation: resource.metadata.generation, now: now, previous: resource.status?.conditions ?? [], isStuck: isStuck),
            phase: phase ?? condition.phase(isLeaving: resource.metadata.isLeaving), attempt: failure?.attempt,
            nextAttempt: failure?.next.map { Date(timeIntervalSince1970: $0.timeIntervalSince1970.rounded()) }, detail: detail)
        status = shown.status == resource.status ? nil : shown
    }
}

extension Condition {
    /// One word for the STATUS column.
    package func phase(isLeaving: Bool) -> String {
        switch self {
        case .ready: isLeaving ? "Deleted" : "Ready"
        case .converging: reason
        case .waiting: "Waiting"
        case .failing: "Failing"
        case .stalled: "Stalled"
        }
    }

    /// The object that is waited for.
    var waitedFor: Reference? {
        if case .waiting(let other, _) = self { other } else { nil }
    }

    /// For a sentence: "converging: starting".
    var summary: String {
        switch self {
        case .ready: "nothing left to do"
        case .converging(let phase): phase
        default: message
        }
    }
}
