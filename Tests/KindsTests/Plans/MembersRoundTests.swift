import Foundation
import Probe
import Simulation
import Testing

@testable import Kinds

/// What is done about the members of a Raft group, case by case.
@Suite struct MembersRoundTests {
    /// "n1* n2! n3? n9~": the leader, one that is not well, a learner, one that plasma never had a node for. "n2=x" gives an id.
    private func members(_ text: String) -> (members: [MembershipCheck.Member], known: Set<String>) {
        var known: Set<String> = []
        let members = text.split(separator: " ").map { word in
            let parts = word.split(separator: "=").map(String.init)
            let name = String(parts[0].filter { $0.isLetter || $0.isNumber })
            let id = parts.count > 1 ? parts[1] : "id-" + name
            if !word.contains("~") { known.insert(id) }
            return MembershipCheck.Member(
                name: name, isLearner: word.contains("?"), isLeader: word.contains("*"), id: id, isHealthy: !word.contains("!"),
                peerURLs: ["https://\(name):2380"], clientURLs: ["https://\(name):2379"])
        }
        return (members, known)
    }

    private func step(_ text: String, _ wanted: String, lost: Set<String> = []) -> MembersRound.Step {
        let (members, known) = members(text)
        return MembersRound(members: members, wanted: wanted.split(separator: " ").map(String.init), known: known, lost: lost).step()
    }

    private func told(_ step: MembersRound.Step) -> String {
        switch step {
        case .rest: "rest"
        case .change(let change, _): "\(change)"
        case .wait(let why): why
        }
    }

    @Test(arguments: [
        // All is as it should be, or only somebody is away.
        ("n1* n2 n3", "n1 n2 n3", "rest"),
        ("n1* n2! n3", "n1 n2 n3", "rest"),
        // One that is to come lets itself in.
        ("n1* n2 n3", "n1 n2 n3 n4", "rest"),
        ("n1* n2 n3 n4?", "n1 n2 n3 n4", "rest"),
        // One whose node left the manifest goes; also one that is dead.
        ("n1* n2 n3 n4", "n1 n2 n3", "remove member id-n4 (n4)"),
        ("n1* n2 n3", "n1 n2", "remove member id-n3 (n3)"),
        ("n1* n2! n3", "n1 n3", "remove member id-n2 (n2)"),
        ("n1* n2", "n1", "remove member id-n2 (n2)"),
        // Of two the one that is of no use goes first.
        ("n1* n2 n3! n4 n5", "n1 n4 n5", "remove member id-n3 (n3)"),
        // A learner has no vote.
        ("n1* n2! n4?", "n1 n2", "remove member id-n4 (n4)"),
        // Without the majority nobody goes.
        ("n1* n2! n3", "n1 n2", "n3 is not removed yet: 3 voters, 2 healthy; without n3 there would be 2, 1 of them healthy, and 2 are needed"),
        ("n1* n2! n3 n4", "n1 n2 n3", "remove member id-n4 (n4)"),
        ("n1* n2! n3! n4 n5", "n1 n2 n3 n4", "n5 is not removed yet: 5 voters, 3 healthy; without n5 there would be 4, 2 of them healthy, and 3 are needed"),
        ("n1*", "n2", "n1 leaves when n2, which is to come, is a voter"),
        // The leader hands over first.
        ("n1 n2 n3*", "n1 n2", "hand leadership over to member id-n1 (n1)"),
        ("n1! n2 n3* n4", "n1 n2 n4", "hand leadership over to member id-n2 (n2)"),
        ("n1! n2! n3*", "n1 n2", "n3 is not removed yet: 3 voters, 1 healthy; without n3 there would be 2, 0 of them healthy, and 2 are needed"),
        // A name exchanged for another: whoever is well stays until the new one votes, whoever is dead goes at once.
        ("n1* n2 n3", "n1 n3 n5", "n2 leaves when n5, which is to come, is a voter"),
        ("n1* n2 n3 n5?", "n1 n3 n5", "n2 leaves when n5, which is to come, is a voter"),
        ("n1* n2 n3 n5", "n1 n3 n5", "remove member id-n2 (n2)"),
        ("n1* n2! n3", "n1 n3 n5", "remove member id-n2 (n2)"),
        // Nobody leads: nothing can be asked for.
        ("n1 n2 n3", "n1 n2", "rest"),
        // What nobody declared is told of elsewhere, and not touched.
        ("n1* n2 n3 n9~", "n1 n2 n3", "rest"),
        ("n1* n2 n9?~", "n1 n2", "rest"),
    ])
    func `members whose nodes left the manifest go, and none that is needed`(_ text: String, _ wanted: String, _ expected: String) {
        #expect(told(step(text, wanted)) == expected)
    }

    @Test(arguments: [
        ("n1* n2!=old n3", "replace member old (n2) by a new one of that name"),
        // It answered a moment ago: its disk is gone all the same.
        ("n1* n2=old n3", "replace member old (n2) by a new one of that name"),
        ("n1* n2!=old n2?=new n3", "n2 comes anew as a learner, and takes the vote of its lost disk (member old) when it has caught up"),
        ("n1* n2=new n3", "rest"),
        ("n1* n2!=old n3 n4?", "n2 is replaced when n4, a learner, has become a voter"),
        ("n1* n2!=old n3! n4!", "n2 is not replaced yet: 4 voters, 1 healthy; with a new one for n2 there would be 4, 2 of them healthy, and 3 are needed"),
        ("n1* n2?=old n3 n4", "remove member old (n2)"),
        ("n1 n2*=old n3", "rest"),
    ])
    func `a member whose disk is gone is replaced, once`(_ text: String, _ expected: String) {
        #expect(told(step(text, "n1 n2 n3 n4", lost: ["old"])) == expected)
    }

    @Test func `no sequence of steps ever leaves fewer healthy voters than are needed`() {
        let one = ProcessInfo.processInfo.environment["PLASMA_SEED"].flatMap(UInt64.init)
        let first = UInt64.random(in: 0 ... .max / 2)
        for seed in one.map({ $0...$0 }) ?? first...(first + 4_999) {
            var random = SimulatedDisk.Dice(seed: seed)
            let count = Int.random(in: 1...7, using: &random)
            var members = (1...count).map { number in
                MembershipCheck.Member(
                    name: "n\(number)", isLearner: number > 1 && Int.random(in: 0..<6, using: &random) == 0, id: "id-\(number)",
                    isHealthy: Int.random(in: 0..<4, using: &random) > 0, peerURLs: ["p\(number)"], clientURLs: ["c\(number)"])
            }
            func voters() -> [MembershipCheck.Member] { members.filter { !$0.isLearner } }
            func hasQuorum() -> Bool { voters().count(where: \.isHealthy) >= voters().count / 2 + 1 }
            guard hasQuorum(), let leader = members.firstIndex(where: { $0.isHealthy && !$0.isLearner }) else { continue }
            members[leader].isLeader = true
            let wanted = (1...8).map { "n\($0)" }.filter { _ in Bool.random(using: &random) }
            let lost = Set(members.filter { !$0.isHealthy && Bool.random(using: &random) }.map(\.id))
            let known = Set(members.map(\.id))
            var steps = 0
            loop: while steps < 20 {
                steps += 1
                switch MembersRound(members: members, wanted: wanted, known: known, lost: lost).step() {
                case .rest, .wait: break loop
                case .change(.remove(let id, _), _):
                    #expect(members.first { $0.id == id }?.isLeader == false, "seed \(seed): the leader is removed")
                    members.removeAll { $0.id == id }
                case .change(.transfer(let id, _), _):
                    for index in members.indices { members[index].isLeader = members[index].id == id }
                    #expect(members.first(where: \.isLeader)?.isHealthy == true, "seed \(seed): a dead one is to lead")
                case .change(.replace(let id, let name, _), _):
                    #expect(lost.contains(id), "seed \(seed): \(name) has its disk")
                    members.append(.init(name: name, isLearner: true, id: "new-\(id)", isHealthy: false, peerURLs: ["p"], clientURLs: []))
                }
                #expect(hasQuorum(), "seed \(seed): \(voters().map { "\($0.name) \($0.isHealthy)" })")
            }
            #expect(steps < 20, "seed \(seed): it does not end")
        }
    }
}
