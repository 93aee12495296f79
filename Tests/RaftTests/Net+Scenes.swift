@testable import Raft

/// Scenes that directed tests begin with.
extension Net {
    /// A group at rest that member 1 leads.
    static func led(
        voters: [UInt64] = [1, 2, 3], spare: [UInt64] = [], tune: @escaping (inout Raft.Options) -> Void = { _ in }
    ) -> Net {
        var net = Net(seed: 7, voters: voters, spare: spare, tune: tune)
        net.settle()
        net.elect(1)
        return net
    }

    /// Only this member's time goes on until it leads.
    mutating func elect(_ id: UInt64, lost: (Message) -> Bool = { _ in false }) {
        // The others' patience with an earlier leader has ended.
        for other in ids { nodes[other]!.raft.sinceHeard = 99 }
        for _ in 0..<200 where raft(id).role != .leader {
            step(id, .tick)
            settle(lost: lost)
        }
        if raft(id).role != .leader { fault("\(id) was not elected") }
    }

    func raft(_ id: UInt64) -> Raft { nodes[id]!.raft }

    mutating func change(
        _ id: UInt64, _ steps: ConfigurationChange.Step..., transition: ConfigurationChange.Transition = .automatic
    ) -> Effects {
        step(id, .propose([Proposal(ConfigurationChange(steps, transition: transition))]))
    }

    /// Takes what is on its way out of the network.
    @discardableResult
    mutating func take() -> [Message] {
        defer { wire = [] }
        return wire
    }

    /// Applied everywhere, in terms of commands with a name.
    var names: [UInt64] {
        history.filter { $0.kind == .command && !$0.bytes.isEmpty }.map { Self.name($0.bytes) }
    }
}

/// Messages from or to one of these are lost.
func cut(_ ids: UInt64...) -> (Message) -> Bool {
    { ids.contains($0.from) || ids.contains($0.to) }
}
