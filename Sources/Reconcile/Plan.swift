import Manifest
import Resource

/// What a record asks for: to be there as its spec says, or to be gone.
package enum Goal<K: Kind>: Sendable {
    case present(Resource<K>)
    case absent(Resource<K>)

    package init(_ resource: Resource<K>) {
        self = resource.metadata.isLeaving ? .absent(resource) : .present(resource)
    }

    package var resource: Resource<K> {
        switch self {
        case .present(let resource), .absent(let resource): resource
        }
    }
}

/// The decider of a kind. Its functions are static and synchronous: they have nothing to reach the
/// world with, so that `diff` can run the very code that `apply` runs.
package protocol Planner<K>: SendableMetatype {
    associatedtype K: Kind
    /// The world as one object sees it. What other *records* say is read through the `Reader`.
    associatedtype Observation: Hashable & Sendable
    /// One thing to do. Its description is what `diff`, events and logs print.
    associatedtype Action: Hashable & Sendable & CustomStringConvertible

    static func plan(_ goal: Goal<K>, given seen: Observation, _ reader: Reader) -> Plan<K, Action>

    /// What will be seen once the action has been done: how `diff` looks further ahead than one
    /// round. Wrong foresight makes a diff that disagrees with its apply; the simulation checks it.
    static func foresee(_ action: Action, in seen: Observation) -> Observation
}

/// What a planner decided: where the object stands and what to do next.
package struct Plan<K: Kind, Action: Hashable & Sendable>: Sendable {
    package var condition: Condition
    /// Done in order; the next round looks again.
    package var actions: [Action]
    /// The complete set of objects this one owns: those missing are created, those no longer named
    /// are retired.
    package var children: [any AnyResource]
    package var status: K.Status
    /// The status to show when the actions are held back: for a plan whose status tells of them beforehand.
    package var statusIfHeld: K.Status?
    /// What happened to the object since its status was last written: becomes events, once, with the status that tells it.
    package var happenings: [Happening] = []
    /// Where the world differs from the goal, whether or not something can be done about it now.
    package var differences: [Difference]
    /// When to look again although nothing seems to change; nil is the loop's own interval.
    package var lookAgain: Duration?

    package init(
        _ condition: Condition, _ actions: [Action] = [], children: [any AnyResource] = [], status: K.Status,
        differences: [Difference] = [], lookAgain: Duration? = nil
    ) {
        self.condition = condition
        self.actions = actions
        self.children = children
        self.status = status
        self.differences = differences
        self.lookAgain = lookAgain
    }
}

/// Something that happened to an object, beside what plasma did.
package struct Happening: Hashable, Sendable {
    /// CamelCase: "UnknownMachine".
    package var reason: String
    package var message: String
    package var isWarning: Bool

    package init(reason: String, message: String, isWarning: Bool = false) {
        self.reason = reason
        self.message = message
        self.isWarning = isWarning
    }
}

/// The action of a kind that does nothing itself: there is no value of it.
package struct NoAction: Hashable, Sendable, CustomStringConvertible {
    private init() {}
    package var description: String { "" }
}

/// One difference between the goal and the world.
package struct Difference: Hashable, Sendable {
    /// "spec.cpus" where the spec speaks of it, otherwise what was looked at: "process", "image".
    package var path: String
    package var seen: JSON?
    package var wanted: JSON?
    package var impact: Impact

    package init(_ path: String, seen: JSON?, wanted: JSON?, impact: Impact) {
        self.path = path
        self.seen = seen
        self.wanted = wanted
        self.impact = impact
    }
}

/// Looks at the world for one kind. Changes nothing.
package protocol Observer<P>: Sendable {
    associatedtype P: Planner
    /// - Throws: when the world cannot be seen; `diff` reports it as unknown, the loop tries again.
    func observe(_ goal: Goal<P.K>, _ reader: Reader) async throws -> P.Observation
    /// What is in the world under plasma's own directories although no record names it.
    func strays(_ reader: Reader) async throws -> [Stray]
}

extension Observer {
    package func strays(_ reader: Reader) async throws -> [Stray] { [] }
}

/// Does one thing.
package protocol Performer<P>: Sendable {
    associatedtype P: Planner
    /// - Throws: when it could not be done; the loop backs off and tries again.
    func perform(_ action: P.Action) async throws
}

/// Something found that nobody asked for. It is reported, never touched.
package struct Stray: Hashable, Sendable {
    package var reference: Reference
    package var what: String

    package init(_ reference: Reference, _ what: String) {
        self.reference = reference
        self.what = what
    }
}
