import Probe

/// Decides how the members of a Raft group come to be the nodes that a manifest names: one change at a time, none that
/// could cost the majority, and of members that plasma never had a node for, none at all.
struct MembersRound {
    typealias Member = MembershipCheck.Member

    enum Step: Hashable {
        /// Nothing is to be changed.
        case rest
        case change(MemberChange, phase: String)
        /// Why nothing can be changed now.
        case wait(String)
    }

    var members: [Member]
    /// Names of the manifest's nodes.
    var wanted: [String]
    /// Ids of members that were a node of the manifest's at some time.
    var known: Set<String>
    /// Ids of members whose disk is gone: an installer has formatted it.
    var lost: Set<String>

    private var voters: [Member] { members.filter { !$0.isLearner } }
    private var learners: [Member] { members.filter(\.isLearner) }

    func step() -> Step {
        // Who leads decides; without a leader nothing can be asked for.
        guard members.contains(where: \.isLeader) else { return .rest }
        // A learner has no say that could be lost.
        if let gone = learners.first(where: { lost.contains($0.id) || isForeign($0) }) {
            return .change(.remove(id: gone.id, name: gone.name), phase: "removing member; \(gone.name), a learner")
        }
        if let dead = voters.first(where: { lost.contains($0.id) && wanted.contains($0.name) && !$0.isLeader }) { return replace(dead) }
        return retire()
    }

    /// The manifest named its node, and does so no more.
    private func isForeign(_ member: Member) -> Bool { known.contains(member.id) && !wanted.contains(member.name) }

    /// A disk that was formatted never votes again: a new member comes in its place, under the same name.
    private func replace(_ dead: Member) -> Step {
        if learners.contains(where: { $0.name == dead.name }) {
            return .wait("\(dead.name) comes anew as a learner, and takes the vote of its lost disk (member \(dead.id)) when it has caught up")
        }
        if let other = learners.first { return .wait("\(dead.name) is replaced when \(other.name), a learner, has become a voter") }
        if let risk = risk(voters.count, voters.count { $0.isHealthy && $0.id != dead.id } + 1, "with a new one for \(dead.name)") {
            return .wait("\(dead.name) is not replaced yet: \(risk)")
        }
        return .change(.replace(id: dead.id, name: dead.name, peerURLs: dead.peerURLs), phase: "replacing member; \(dead.name), whose disk is new")
    }

    /// Lets the members go whose nodes the manifest no longer names: first those that are of no use any more.
    private func retire() -> Step {
        let leaving = voters.filter(isForeign)
        guard let next = leaving.first(where: { !$0.isHealthy }) ?? leaving.first(where: { !$0.isLeader }) ?? leaving.first else { return .rest }
        let coming = wanted.filter { name in !voters.contains { $0.name == name } }
        if next.isHealthy, let first = coming.first { return .wait("\(next.name) leaves when \(first), which is to come, is a voter") }
        let rest = voters.filter { $0.id != next.id }
        if rest.isEmpty { return .wait("\(next.name) is not removed: it is the only voter, and without it there would be none") }
        if let risk = risk(rest.count, rest.count(where: \.isHealthy), "without \(next.name)") { return .wait("\(next.name) is not removed yet: \(risk)") }
        guard next.isLeader else { return .change(.remove(id: next.id, name: next.name), phase: "removing member; \(next.name)") }
        guard let heir = rest.first(where: { $0.isHealthy && wanted.contains($0.name) }) else {
            return .wait("\(next.name) leads, and none of the voters that stay is well enough to lead in its place")
        }
        return .change(.transfer(id: heir.id, name: heir.name), phase: "handing leadership over; \(next.name) leaves")
    }

    /// "3 voters, 2 healthy; without n3 there would be 2, 1 of them healthy, and 2 are needed"; nil: there is none.
    private func risk(_ count: Int, _ healthy: Int, _ how: String) -> String? {
        let needed = count / 2 + 1
        guard healthy < needed else { return nil }
        return "\(voters.count) voters, \(voters.count(where: \.isHealthy)) healthy; \(how) there would be \(count), \(healthy) of them healthy, and \(needed) are needed"
    }
}
