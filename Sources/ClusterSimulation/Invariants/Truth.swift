/// What any member showed once and all must agree on for ever: who leads each term, who was voted for, what each entry
/// is. One per run; it survives every crash.
struct Truth {
    /// Enough to tell two entries apart.
    struct Seal: Hashable {
        var term: UInt64
        var digest: UInt64
    }
    private struct Ballot: Hashable {
        var voter: UInt64
        var term: UInt64
    }
    private struct Place: Hashable {
        var index: UInt64
        var term: UInt64
    }

    private var leaders: [UInt64: UInt64] = [:]
    private(set) var leadingSince: [UInt64: Micros] = [:]
    private var votes: [Ballot: UInt64] = [:]
    /// By index and term: the entry, and the term of the one before it. Two logs that hold the same entry are the same up
    /// to it (Raft §5.3), which is this for every entry by itself.
    private var entries: [Place: (digest: UInt64, before: UInt64)] = [:]
    private var applied: [UInt64: Seal] = [:]
    /// How much of a term's log each member said that it holds durably.
    private var said: [Ballot: UInt64] = [:]
    private(set) var lastApplied: UInt64 = 0
    /// The highest index that any member called applied, entries without a command included.
    private(set) var lastEntry: UInt64 = 0

    mutating func reaches(_ index: UInt64) { lastEntry = max(lastEntry, index) }

    mutating func leads(_ member: UInt64, term: UInt64, at time: Micros) throws(Breach) {
        if let other = leaders[term] {
            if other != member { throw Breach(.oneLeader, "term \(term) is led by \(other) and by \(member)") }
            return
        }
        leaders[term] = member
        newestTerm = max(newestTerm, term)
        leadingSince[term] = time
    }

    /// Whom a member was seen to vote for.
    func vote(of voter: UInt64, term: UInt64) -> UInt64? { votes[Ballot(voter: voter, term: term)] }

    mutating func says(_ member: UInt64, term: UInt64, matched: UInt64) {
        said[Ballot(voter: member, term: term), default: 0] = max(said[Ballot(voter: member, term: term)] ?? 0, matched)
    }

    func saidMatched(_ member: UInt64, term: UInt64) -> UInt64 { said[Ballot(voter: member, term: term)] ?? 0 }

    /// The newest term that anybody was seen to lead.
    private(set) var newestTerm: UInt64 = 0

    /// The place of the last command that was applied anywhere.
    var lastCommand: (index: UInt64, term: UInt64) { (lastApplied, applied[lastApplied]?.term ?? 0) }

    mutating func votes(_ member: UInt64, term: UInt64, for candidate: UInt64) throws(Breach) {
        let other = votes.updateValue(candidate, forKey: Ballot(voter: member, term: term))
        if let other, other != candidate {
            throw Breach(.oneVote, "\(member) voted for \(other) and for \(candidate) in term \(term)")
        }
    }

    mutating func holds(_ member: UInt64, index: UInt64, term: UInt64, before: UInt64, digest: UInt64) throws(Breach) {
        guard let known = entries[Place(index: index, term: term)] else {
            entries[Place(index: index, term: term)] = (digest, before)
            return
        }
        if known.digest != digest {
            throw Breach(.logMatching, "\(member) has another entry \(index) of term \(term) than was seen before")
        }
        if known.before != before {
            throw Breach(
                .logMatching,
                "\(member) has entry \(index) of term \(term) after one of term \(before), others after one of \(known.before)")
        }
    }

    /// - Returns: whether this is the first time that this entry is applied anywhere.
    mutating func applies(_ member: UInt64, index: UInt64, _ seal: Seal) throws(Breach) -> Bool {
        if let known = applied[index] {
            if known == seal { return false }
            throw Breach(
                .committedStays,
                "\(member) applied entry \(index) of term \(seal.term), where term \(known.term) was applied before")
        }
        guard index > lastApplied else {
            throw Breach(.committedStays, "\(member) applied a command at \(index), where others applied none")
        }
        applied[index] = seal
        lastApplied = index
        return true
    }
}

/// FNV-1a, 64 bits: the same in every process, unlike `Hasher`.
func digest(_ bytes: [UInt8], _ seed: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
    var hash = seed
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}
