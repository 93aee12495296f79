/// Keeps linearizable reads until each may be answered. All that wait at one moment share one question to Raft.
struct Reads: Sendable {
    private struct Read {
        var id: UInt64
        var deadline: UInt64
    }

    private struct Round {
        var number: UInt64
        var asked: UInt64
        var reads: [Read]
    }

    private struct Ready {
        var index: UInt64
        var reads: [Read]
    }

    private var waiting: [Read] = []
    private var rounds: [Round] = []
    /// Wait for their index to be applied.
    private var ready: [Ready] = []
    private var lastRound: UInt64 = 0

    var someWait: Bool { !waiting.isEmpty }

    mutating func add(id: UInt64, deadline: UInt64) { waiting.append(Read(id: id, deadline: deadline)) }

    /// A question's number for somebody else.
    mutating func number() -> UInt64 {
        lastRound += 1
        return lastRound
    }

    /// A new question for all that wait.
    mutating func ask(now: UInt64) -> UInt64 {
        rounds.append(Round(number: number(), asked: now, reads: waiting))
        waiting = []
        return lastRound
    }

    /// Answers those that may be read at once.
    mutating func answered(_ number: UInt64, index: UInt64, applied: UInt64) -> [UInt64] {
        guard let at = rounds.firstIndex(where: { $0.number == number }) else { return [] }
        let round = rounds.remove(at: at)
        if index <= applied { return round.reads.map(\.id) }
        ready.append(Ready(index: index, reads: round.reads))
        return []
    }

    mutating func failed(_ number: UInt64) {
        guard let at = rounds.firstIndex(where: { $0.number == number }) else { return }
        waiting = rounds.remove(at: at).reads + waiting
    }

    mutating func applied(_ index: UInt64) -> [UInt64] {
        guard ready.contains(where: { $0.index <= index }) else { return [] }
        defer { ready.removeAll { $0.index <= index } }
        return ready.filter { $0.index <= index }.flatMap { $0.reads.map(\.id) }
    }

    /// Asks again what had no answer for so many ticks, and ends what has no time left.
    mutating func tick(now: UInt64, patience: UInt64) -> (timedOut: [UInt64], unasked: [UInt64]) {
        let old = rounds.filter { $0.asked + patience <= now }
        rounds.removeAll { $0.asked + patience <= now }
        waiting = old.flatMap(\.reads) + waiting
        let unasked = waiting.filter { $0.deadline <= now }.map(\.id)
        waiting.removeAll { $0.deadline <= now }
        var timedOut: [UInt64] = []
        for at in ready.indices {
            timedOut += ready[at].reads.filter { $0.deadline <= now }.map(\.id)
            ready[at].reads.removeAll { $0.deadline <= now }
        }
        ready.removeAll { $0.reads.isEmpty }
        return (timedOut, unasked)
    }
}
