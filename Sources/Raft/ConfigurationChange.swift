/// A change of the configuration, carried by an entry of that kind.
package struct ConfigurationChange: Hashable, Sendable {
    package struct Step: Hashable, Sendable {
        package enum Kind: UInt8, Hashable, Sendable { case addVoter = 0, addLearner = 1, remove = 2 }

        package var kind: Kind
        package var id: UInt64

        package init(_ kind: Kind, _ id: UInt64) {
            self.kind = kind
            self.id = id
        }
    }

    /// How the group gets from the old majority to the new one.
    package enum Transition: UInt8, Hashable, Sendable {
        /// One step: at once. More: through a joint configuration that is left by itself.
        case automatic = 0
        /// Through a joint configuration that is left by itself.
        case implicit = 1
        /// Through a joint configuration that a change without steps leaves.
        case explicit = 2
    }

    /// None: the joint configuration is left.
    package var steps: [Step]
    package var transition: Transition
    /// The `Configuration.digest` of the one that it was thought out for: it is refused where another is in force. nil: whatever is.
    package var base: UInt64?
    /// A command for the machine: who the member is.
    package var context: [UInt8]

    package init(_ steps: [Step], transition: Transition = .automatic, base: UInt64? = nil, context: [UInt8] = []) {
        self.steps = steps
        self.base = base
        self.transition = transition
        self.context = context
    }

    /// Makes `configuration` of the empty one: the first entry of a group's log, the same on all founders.
    package static func founding(_ configuration: Configuration, context: [UInt8] = []) -> ConfigurationChange {
        let voters = configuration.voters.map { Step(.addVoter, $0) }
        return ConfigurationChange(voters + configuration.learners.map { Step(.addLearner, $0) }, context: context)
    }

    /// Leaves a joint configuration.
    package static let leave = ConfigurationChange([])
}
