import Raft

/// How a member comes to its group.
package enum Membership: Hashable, Sendable {
    /// Its log and its machine know.
    case existing
    /// It begins a new group together with the others, all with this configuration. Ignored where a log or a state
    /// exists: it may stay in a configuration file for ever.
    case bootstrap(Configuration)
    /// It waits for the leader of a group that has added it. Ignored where a state exists.
    case joining
}
