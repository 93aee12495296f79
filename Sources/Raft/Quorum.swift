/// The arithmetic of majorities. A joint configuration agrees when both of its majorities do.
package enum Quorum {
    package enum Verdict: Hashable, Sendable { case won, lost, pending }

    /// The highest value that a majority has reached. `UInt64.max` without voters, so that an empty half of a joint
    /// configuration holds nothing back.
    package static func reached(by voters: [UInt64], _ value: (UInt64) -> UInt64) -> UInt64 {
        switch voters.count {
        case 0: return .max
        case 1: return value(voters[0])
        case 2: return min(value(voters[0]), value(voters[1]))
        case 3:
            let (a, b, c) = (value(voters[0]), value(voters[1]), value(voters[2]))
            return max(min(a, b), min(max(a, b), c))
        default:
            // Groups are small: no allocation beats a better order.
            var best: UInt64 = 0
            for voter in voters {
                let mine = value(voter)
                if mine > best, voters.count(where: { value($0) >= mine }) > voters.count / 2 { best = mine }
            }
            return best
        }
    }

    package static func reached(by configuration: Configuration, _ value: (UInt64) -> UInt64) -> UInt64 {
        let incoming = reached(by: configuration.voters, value)
        return configuration.isJoint ? min(incoming, reached(by: configuration.outgoing, value)) : incoming
    }

    /// - Parameter vote: nil for who has not answered.
    package static func verdict(of voters: [UInt64], _ vote: (UInt64) -> Bool?) -> Verdict {
        let majority = voters.count / 2 + 1
        if voters.isEmpty { return .won }
        if voters.count(where: { vote($0) == true }) >= majority { return .won }
        return voters.count(where: { vote($0) != false }) >= majority ? .pending : .lost
    }

    package static func verdict(of configuration: Configuration, _ vote: (UInt64) -> Bool?) -> Verdict {
        switch (verdict(of: configuration.voters, vote), verdict(of: configuration.outgoing, vote)) {
        case (.won, .won): .won
        case (.lost, _), (_, .lost): .lost
        default: .pending
        }
    }
}
