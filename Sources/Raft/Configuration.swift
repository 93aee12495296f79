/// Who belongs to the group (dissertation §4). All lists are sorted.
package struct Configuration: Hashable, Sendable {
    package var voters: [UInt64] = []
    /// While joint: the voters before the change, of whom a majority must agree as well.
    package var outgoing: [UInt64] = []
    /// Receive the log and do not count.
    package var learners: [UInt64] = []
    /// Outgoing voters that become learners when the joint configuration is left.
    package var learnersNext: [UInt64] = []
    /// The leader leaves the joint configuration by itself.
    package var autoLeave = false

    package init(
        voters: [UInt64] = [], outgoing: [UInt64] = [], learners: [UInt64] = [], learnersNext: [UInt64] = [],
        autoLeave: Bool = false
    ) {
        self.voters = voters.sorted()
        self.outgoing = outgoing.sorted()
        self.learners = learners.sorted()
        self.learnersNext = learnersNext.sorted()
        self.autoLeave = autoLeave
    }

    package var isJoint: Bool { !outgoing.isEmpty }

    /// Tells it from others (FNV-1a of 64 bits, over its members).
    package var digest: UInt64 {
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for (number, list) in [voters, outgoing, learners, learnersNext].enumerated() {
            for word in [UInt64(number), UInt64(list.count)] + list {
                for shift in stride(from: 0, to: 64, by: 8) { digest = (digest ^ (word >> UInt64(shift) & 0xff)) &* 0x100_0000_01b3 }
            }
        }
        return digest
    }
    /// Sorted, each once.
    package var members: [UInt64] {
        var all = voters
        for id in outgoing + learners + learnersNext { all.insertSorted(id) }
        return all
    }

    /// Whether the member counts in a majority now.
    package func isVoter(_ id: UInt64) -> Bool { voters.contains(id) || outgoing.contains(id) }
    package func isLearner(_ id: UInt64) -> Bool { learners.contains(id) }
    package func isMember(_ id: UInt64) -> Bool { isVoter(id) || isLearner(id) || learnersNext.contains(id) }
}

extension Configuration: CustomStringConvertible {
    /// As `voters=(1 2)&&(1) learners=(3) learners_next=(1) autoleave`.
    package var description: String {
        func list(_ ids: [UInt64]) -> String { "(" + ids.map(String.init).joined(separator: " ") + ")" }
        var text = "voters=" + list(voters)
        if isJoint { text += "&&" + list(outgoing) }
        if !learners.isEmpty { text += " learners=" + list(learners) }
        if !learnersNext.isEmpty { text += " learners_next=" + list(learnersNext) }
        return autoLeave ? text + " autoleave" : text
    }
}

extension [UInt64] {
    /// Into a sorted list, once.
    mutating func insertSorted(_ id: UInt64) {
        let at = firstIndex { $0 >= id } ?? count
        if at == count || self[at] != id { insert(id, at: at) }
    }

    mutating func remove(_ id: UInt64) {
        if let at = firstIndex(of: id) { remove(at: at) }
    }
}
