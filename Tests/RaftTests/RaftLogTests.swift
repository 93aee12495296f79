@testable import Raft
import Testing

@Suite struct RaftLogTests {
    private func entry(_ index: UInt64, _ term: UInt64) -> Entry {
        Entry(index: index, term: term, bytes: [UInt8(truncatingIfNeeded: index)])
    }

    @Test func `whatever is appended, truncated and trimmed, it holds what a plain array holds`() {
        for seed in UInt64(0)..<200 {
            var dice = SplitMix64(seed: seed)
            var base = Position(index: UInt64.random(in: 0..<50, using: &dice), term: 1)
            var log = RaftLog(base: base)
            var plain: [Entry] = []
            for step in 0..<80 {
                let last = plain.last?.position ?? base
                switch Int.random(in: 0..<10, using: &dice) {
                case 0..<6:
                    let term = last.term + UInt64.random(in: 0...1, using: &dice)
                    let more = (1...UInt64.random(in: 1...9, using: &dice)).map { entry(last.index + $0, term) }
                    log.append(more)
                    plain += more
                case 6, 7:
                    let from = UInt64.random(in: base.index + 1...last.index + 1, using: &dice)
                    log.truncate(from: from)
                    plain.removeAll { $0.index >= from }
                case 8:
                    let through = UInt64.random(in: base.index...last.index, using: &dice)
                    log.trim(through: through, costMax: 0)
                    if let at = plain.firstIndex(where: { $0.index == through }) {
                        base = plain[at].position
                        plain.removeFirst(at + 1)
                    }
                default:
                    guard step % 9 == 0 else { continue }
                    base = Position(index: last.index + 5, term: last.term + 1)
                    log.reset(to: base)
                    plain = []
                }
                #expect(log.base == base && log.last == plain.last?.position ?? base, "seed \(seed)")
                #expect(log.entries(after: base.index, through: log.last.index) == plain, "seed \(seed)")
                #expect(log.cost == plain.reduce(0) { $0 + $1.cost }, "seed \(seed)")
                #expect(log.term(at: base.index) == base.term && log.term(at: log.last.index + 1) == nil)
            }
        }
    }

    @Test func `the last place that may be equal is found by term`() {
        let log = RaftLog(base: Position(index: 10, term: 2), entries: [entry(11, 2), entry(12, 4), entry(13, 4), entry(14, 7)])
        #expect(log.lastPlace(atMost: 99, term: 9) == Position(index: 14, term: 7))
        #expect(log.lastPlace(atMost: 14, term: 6) == Position(index: 13, term: 4))
        #expect(log.lastPlace(atMost: 13, term: 3) == Position(index: 11, term: 2))
        #expect(log.lastPlace(atMost: 13, term: 1).index == 9)
    }

    @Test func `entries are cut to a cost, and one always fits`() {
        let log = RaftLog(base: .start, entries: (1...5).map { entry($0, 1) })
        #expect(log.entries(from: 2, costMax: 98).map(\.index) == [2, 3])
        #expect(log.entries(from: 2, costMax: 1).map(\.index) == [2])
        #expect(log.entries(from: 4, costMax: 9999).map(\.index) == [4, 5])
    }
}
