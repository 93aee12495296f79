@testable import Raft

/// What must hold after every step (Ongaro and Ousterhout 2014, figure 3), and what may be said before it is durable.
extension Net {
    mutating func check(_ id: UInt64, _ effects: Effects) {
        let node = nodes[id]!
        let raft = node.raft
        for message in effects.send {
            switch message.body {
            case .preVoteRequest, .preVoteAnswer: continue
            case .voteAnswer(granted: true):
                if node.state != HardState(term: message.term, vote: message.to) { fault("an unsaved vote left \(id)") }
            case .voteRequest:
                if node.state != HardState(term: message.term, vote: id) { fault("\(id) campaigned before it had saved that") }
            case .appendAnswer(let matched), .heartbeatAnswer(_, let matched):
                if node.lacks(matched) { fault("\(id) acknowledged \(matched) before it had it") }
            default: break
            }
            if message.term > node.state.term { fault("\(id) spoke of term \(message.term) before it was saved") }
        }
        if node.lacks(raft.durable.index) { fault("\(id) takes \(raft.durable) for durable, and has \(node.end)") }
        if let commit = effects.commit, node.lacks(commit) { fault("\(id) applies \(commit), and has \(node.end)") }
        if effects.standing?.role == .leader { checkLeader(id, raft) }
    }

    private mutating func checkLeader(_ id: UInt64, _ raft: Raft) {
        let term = raft.hardState.term
        if let other = leaders.updateValue(id, forKey: term), other != id { fault("term \(term) is led by \(other) and \(id)") }
        guard let last = history.last, last.index > raft.base.index else { return }
        if !raft.log.holds(last.position) { fault("leader \(id) of term \(term) lacks \(last.position), which was applied") }
    }

    /// Two logs that have one entry in common have all before it in common.
    mutating func checkLogs() {
        for one in ids {
            for other in ids where other > one {
                let (a, b) = (nodes[one]!.raft.log, nodes[other]!.raft.log)
                let first = max(a.base.index, b.base.index)
                var index = min(a.last.index, b.last.index)
                var isEqual = false
                while index > first {
                    if a.term(at: index) == b.term(at: index) {
                        isEqual = true
                        if a[index] != b[index] { fault("\(one) and \(other) differ at \(a[index].position)") }
                    } else if isEqual {
                        fault("\(one) and \(other) agree after \(index), and differ there")
                    }
                    index -= 1
                }
            }
        }
    }

    /// Nothing is applied twice, and nothing that was refused.
    mutating func checkHistory() {
        var seen: Set<UInt64> = []
        for entry in history where entry.kind == .command && !entry.bytes.isEmpty {
            let name = Self.name(entry.bytes)
            if !seen.insert(name).inserted { fault("proposal \(name) was applied twice") }
            if refused.contains(name) { fault("proposal \(name) was refused and applied") }
        }
        for (before, after) in zip(history, history.dropFirst()) where after.term < before.term {
            fault("terms fall at \(after.index)")
        }
    }
}
