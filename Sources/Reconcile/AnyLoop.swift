import Foundation
import Manifest
import Resource
import ServiceLifecycle

/// A loop without its type: the daemon runs it, a diff imagines it.
package struct AnyLoop: Sendable {
    package let kind: String
    /// The controller that makes the goal true.
    package let controller: @Sendable (Workshop) -> any Service
    /// Looks at the world for one record.
    let observe: @Sendable (any AnyResource, Reader) async throws -> any Sendable
    /// Plans for one record, and says what the world will be like after the plan's actions.
    let imagine: @Sendable (_ record: any AnyResource, _ seen: any Sendable, Reader, _ heldBy: Reference?) -> Imagined
    let strays: @Sendable (Reader) async throws -> [Stray]

    package init<P: Planner>(_ loop: Loop<P>) {
        kind = P.K.name
        controller = { Controller(loop, in: $0) }
        let observer = loop.observer
        strays = { try await observer.strays($0) }
        observe = { record, reader in try await observer.observe(Goal(AnyLoop.typed(record)), reader) }
        imagine = { record, seen, reader, holder in
            guard let seen = seen as? P.Observation else { preconditionFailure("an observation of another kind than \(P.K.name)") }
            let resource: Resource<P.K> = AnyLoop.typed(record)
            return Imagined(P.self, resource, seen, reader, heldBy: holder)
        }
    }

    private static func typed<K: Kind>(_ record: any AnyResource) -> Resource<K> {
        guard let resource = record as? Resource<K> else { preconditionFailure("\(record.reference) is not a \(K.name)") }
        return resource
    }
}

/// One round, carried out in thought.
struct Imagined: Sendable {
    /// The record with the status that the round would write.
    var record: any AnyResource
    var isGone: Bool
    /// The status differs from the one that stands in the record.
    var isNews: Bool
    /// The kind's own part of it does.
    var isDetailNews: Bool
    var condition: Condition
    var actions: [String]
    var differences: [Difference]
    var children: ChildChanges
    /// The world after the actions.
    var seen: any Sendable

    init<P: Planner>(_: P.Type, _ resource: Resource<P.K>, _ seen: P.Observation, _ reader: Reader, heldBy holder: Reference?) {
        var plan = P.plan(Goal(resource), given: seen, reader)
        plan = plan.heldByUnreadable(resource, reader)
        if let holder { plan = plan.held(by: holder) }
        var foreseen = resource
        // What `apply` would do is asked; that it is held back just now is not part of the answer.
        foreseen.metadata.annotations[Annotation.suspended] = nil
        let round = Round<P>(
            foreseen, plan: plan, ledger: reader.ledger, now: resource.metadata.creationTimestamp,
            makeUID: { "" })
        record = round.status ?? foreseen
        // Of what is suspended, as it stands while it is.
        let isSuspended = resource.metadata.annotations[Annotation.suspended] == "true"
        isDetailNews = (isSuspended ? plan.statusIfHeld ?? plan.status : plan.status) != resource.status?.detail
        isNews = round.status != nil || round.isGone
        isGone = round.isGone
        condition = round.condition
        actions = round.actions.map(\.description)
        differences = plan.differences
        children = round.children
        self.seen = round.actions.reduce(seen) { P.foresee($1, in: $0) }
    }
}
