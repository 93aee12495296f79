import Raft

/// The term of every entry of a log, as runs: terms rise seldom.
struct Terms: Hashable, Sendable {
    private struct Run: Hashable { var first: UInt64, term: UInt64 }

    /// Before the first entry.
    private(set) var base: Position
    private(set) var last: Position
    private var runs: [Run] = []

    init(base: Position) {
        self.base = base
        last = base
    }

    /// Nil where the log holds no such entry and it is not `base`.
    func term(at index: UInt64) -> UInt64? {
        if index == base.index { return base.term }
        guard index > base.index, index <= last.index else { return nil }
        return runs.last { $0.first <= index }?.term
    }

    /// - Parameter position: follows `last`.
    mutating func append(_ position: Position) {
        if runs.last?.term != position.term { runs.append(Run(first: position.index, term: position.term)) }
        last = position
    }

    /// Forgets the entries after `index`, which may not be below `base`.
    mutating func truncate(after index: UInt64) {
        guard index < last.index, let term = term(at: index) else { return }
        while let run = runs.last, run.first > index { runs.removeLast() }
        last = Position(index: index, term: term)
    }

    /// Forgets the entries up to `position`.
    mutating func cut(through position: Position) {
        guard position.index > base.index else { return }
        base = position
        while runs.count > 1, runs[1].first <= position.index + 1 { runs.removeFirst() }
        if position.index >= last.index { self = Terms(base: position) }
    }
}
