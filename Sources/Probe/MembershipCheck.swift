/// Compares what the members of a Raft cluster say with each other and with a manifest.
package enum MembershipCheck {
    package struct Member: Hashable, Sendable {
        package var name: String
        package var isLearner: Bool
        package var isLeader: Bool
        /// Hexadecimal; empty: not told.
        package var id: String
        /// It was heard of lately.
        package var isHealthy: Bool
        package var peerURLs: [String]
        /// Every member publishes them when it first starts.
        package var clientURLs: [String]

        package init(
            name: String, isLearner: Bool = false, isLeader: Bool = false, id: String = "", isHealthy: Bool = true, peerURLs: [String] = [],
            clientURLs: [String] = []
        ) {
            self.name = name
            self.isLearner = isLearner
            self.isLeader = isLeader
            self.id = id
            self.isHealthy = isHealthy
            self.peerURLs = peerURLs
            self.clientURLs = clientURLs
        }

        package var hasStarted: Bool { !clientURLs.isEmpty }
    }

    /// What one node says.
    package struct View: Hashable, Sendable {
        package var members: [Member]
        package var term: UInt64

        package init(members: [Member], term: UInt64) {
            self.members = members.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
            self.term = term
        }

        package var leader: String? { members.first(where: \.isLeader)?.name }
        package var names: [String] { members.map(\.name) }

        /// Followers only guess who is well, each for itself.
        var withoutHealth: View {
            var view = self
            for index in view.members.indices { view.members[index].isHealthy = true }
            return view
        }
    }

    package struct NodeView: Hashable, Sendable {
        package var node: String
        package var view: View
    }

    package struct Finding: Hashable, Sendable {
        /// The leader that all name.
        package var leader: String?
        package var term: UInt64?
        package var voters: Int
        package var learners: Int
        /// Sorted; what the manifest has and the cluster has not, and the other way round.
        package var missing: [String]
        package var foreign: [String]
        /// What is wrong, in the order of its weight; empty: nothing is.
        package var problems: [String]
        /// As the leader sees them where it was asked, otherwise as the one that knows best.
        package var members: [Member]
        /// What it was found from; whether somebody is well is only told by `members` and `unheard`.
        package var views: [NodeView]
        /// Of the nodes that answered and follow the same leader, whom each has not heard of: it is the way between the two that fails.
        package var unheard: [String: [String]] = [:]

        /// The same, held against another manifest.
        package func against(_ wanted: [String]) -> Finding {
            guard var other = check(wanted: wanted, views: views.map { ($0.node, $0.view) }) else { return self }
            other.members = members
            other.tell(unheard)
            return other
        }

        fileprivate mutating func tell(_ unheard: [String: [String]]) {
            self.unheard = unheard
            for (node, others) in unheard.sorted(by: { $0.key < $1.key }) {
                problems.append("\(node) has no connection to \(others.joined(separator: ", "))")
            }
        }

        /// What will be found when a change was made.
        package func after(_ change: MemberChange) -> Finding {
            func changed(_ members: [Member]) -> [Member] {
                switch change {
                case .remove(let id, _): return members.filter { $0.id != id }
                case .replace(_, let name, let peerURLs):
                    return members + [Member(name: name, isLearner: true, id: "new", isHealthy: false, peerURLs: peerURLs)]
                case .transfer(let id, _):
                    return members.map { member in
                        var member = member
                        member.isLeader = member.id == id
                        return member
                    }
                }
            }
            let names = Set(views.flatMap(\.view.names))
            let wanted = names.subtracting(foreign).union(missing).sorted()
            let next = views.map { NodeView(node: $0.node, view: View(members: changed($0.view.members), term: $0.view.term)) }
            guard var other = check(wanted: wanted, views: next.map { ($0.node, $0.view) }) else { return self }
            other.members = View(members: changed(members), term: 0).members
            return other
        }
    }

    /// - Parameters:
    ///   - wanted: the manifest's nodes.
    ///   - views: what each node said that could be asked.
    package static func check(wanted: [String], views: [(node: String, view: View)]) -> Finding? {
        let views = views.sorted { $0.node < $1.node }
        // The one with the highest term knows best.
        guard let best = views.max(by: { ($0.view.term, $1.node) < ($1.view.term, $0.node) }) else { return nil }
        let names = Set(best.view.names)
        var finding = Finding(
            leader: nil, term: nil, voters: best.view.members.count { !$0.isLearner }, learners: best.view.members.count(where: \.isLearner),
            missing: wanted.filter { !names.contains($0) }.sorted(), foreign: best.view.names.filter { !wanted.contains($0) }, problems: [],
            members: best.view.members, views: views.map { NodeView(node: $0.node, view: $0.view.withoutHealth) })
        if let own = views.first(where: { $0.view.term == best.view.term && $0.view.leader == $0.node }) { finding.members = own.view.members }
        let leaders = Set(views.compactMap(\.view.leader))
        let terms = Set(views.map(\.view.term))
        if leaders.count == 1, let leader = leaders.first, views.allSatisfy({ $0.view.leader != nil }) { finding.leader = leader }
        if terms.count == 1 { finding.term = terms.first }
        if leaders.isEmpty {
            finding.problems.append("no leader")
        } else if finding.leader == nil {
            finding.problems.append("nodes name different leaders: " + views.map { "\($0.node) says \($0.view.leader ?? "none")" }.joined(separator: ", "))
        }
        if terms.count > 1 { finding.problems.append("nodes are in different terms: " + views.map { "\($0.node) in \($0.view.term)" }.joined(separator: ", ")) }
        if !finding.missing.isEmpty { finding.problems.append("not members: \(finding.missing.joined(separator: ", "))") }
        if !finding.foreign.isEmpty { finding.problems.append("members that no manifest names: \(finding.foreign.joined(separator: ", "))") }
        let learners = best.view.members.filter(\.isLearner).map(\.name)
        if !learners.isEmpty { finding.problems.append("learners that are not voters yet: \(learners.joined(separator: ", "))") }
        for (node, view) in views where view.members.map({ [$0.name, "\($0.isLearner)"] }) != best.view.members.map({ [$0.name, "\($0.isLearner)"] }) {
            finding.problems.append("\(node) knows other members than \(best.node): \(view.names.joined(separator: ", "))")
        }
        // Without a leader nobody hears of anybody.
        guard best.view.leader != nil else { return finding }
        let well = Set(views.filter { $0.view.term == best.view.term && $0.view.leader == best.view.leader }.map(\.node))
        finding.tell(Dictionary(uniqueKeysWithValues: views.filter { well.contains($0.node) }.map { node, view in
            (node, view.members.filter { !$0.isHealthy && $0.name != node && well.contains($0.name) }.map(\.name))
        }).filter { !$0.value.isEmpty })
        return finding
    }
}
