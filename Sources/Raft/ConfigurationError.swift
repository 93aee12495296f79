/// Why a change does not fit the configuration.
package enum ConfigurationError: UInt8, Error, Hashable, Sendable, CustomStringConvertible {
    case isJoint = 0
    case isNotJoint = 1
    case noVoters = 2
    case tooManyVoters = 3
    case unreadable = 4
    case moved = 5

    package var description: String {
        switch self {
        case .isJoint: "the configuration is joint: it must be left first"
        case .isNotJoint: "the configuration is not joint: there is nothing to leave"
        case .noVoters: "no voter would remain"
        case .tooManyVoters: "more than one voter would change at once: such a change must be joint"
        case .unreadable: "the change cannot be read"
        case .moved: "the members were changed meanwhile, and what was found right of them before need not be: try again"
        }
    }
}
