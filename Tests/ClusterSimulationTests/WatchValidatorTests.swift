import Store
import Testing

@testable import ClusterSimulation

@Suite struct `The validator of watches` {
    private func chronicle() -> (Chronicle, [Event]) {
        var model = Model(checksLeases: false)
        var chronicle = Chronicle()
        var all: [Event] = []
        for number in 0..<4 {
            let (_, events) = model.commit(Transaction(then: [.put("a", [UInt8(number)]), .put("b", [UInt8(number)])]))
            chronicle.add(events, at: model.revision)
            all += events
        }
        return (chronicle, all)
    }

    private func problem(from position: Revision, range: KeyRange = .all, _ batches: [WatchBatch], compacted: Revision = 0)
        -> String?
    {
        let (chronicle, _) = chronicle()
        var validator = WatchValidator(range, from: position)
        for batch in batches {
            if let problem = validator.take(batch, chronicle, compacted: compacted) { return problem }
        }
        return nil
    }

    @Test func `is content with everything told once and in order`() {
        let (_, all) = chronicle()
        #expect(
            problem(
                from: 2, [WatchBatch(revision: 3, events: Array(all[..<4])), WatchBatch(revision: 5, events: Array(all[4...]))])
                == nil)
        #expect(problem(from: 6, [WatchBatch(revision: 5, events: [])]) == nil)
        let ofB = all.filter { $0.key == "b" }
        #expect(problem(from: 4, range: .single("b"), [WatchBatch(revision: 5, events: Array(ofB[2...]))]) == nil)
    }

    @Test func `finds what is missing, torn, repeated, out of order or too old`() {
        let (_, all) = chronicle()
        func of(_ revision: Revision, _ places: [Int]) -> WatchBatch {
            WatchBatch(revision: revision, events: places.map { all[$0] })
        }
        #expect(problem(from: 2, [of(3, [0, 1, 2])])?.contains("atomic") == true)
        #expect(problem(from: 2, [of(3, [0, 1]), of(4, [4, 5])])?.contains("reliable") == true)
        #expect(problem(from: 2, [of(2, [0, 1]), of(3, [0, 1, 2, 3])])?.contains("unique") == true)
        #expect(problem(from: 2, [of(3, [2, 3, 0, 1])])?.contains("ordered") == true)
        #expect(problem(from: 2, [of(2, [1, 0])])?.contains("ordered within") == true)
        #expect(problem(from: 4, [of(5, [2, 3, 4, 5, 6, 7])])?.contains("future start") == true)
        #expect(problem(from: 2, [of(3, [])])?.contains("progress") == true)
        #expect(problem(from: 2, [of(2, [0, 1, 2, 3])])?.contains("bookmarkable") == true)
    }

    @Test func `wants the value before, unless it was compacted`() {
        let (_, all) = chronicle()
        guard case .put(let entry, _) = all[2] else { return }
        let bare = [Event.put(entry, previous: nil), all[3]]
        #expect(problem(from: 3, [WatchBatch(revision: 3, events: bare)])?.contains("before") == true)
        #expect(problem(from: 3, [WatchBatch(revision: 3, events: bare)], compacted: 3) == nil)
    }
}

@Suite struct `The queue of events` {
    @Test func `gives them out in the order of time, then of planning`() {
        var queue = EventQueue<Int>()
        var dice = Dice(seed: 7)
        let times = (0..<500).map { _ in dice.below(Int64(50)) }
        for (number, time) in times.enumerated() { queue.add(number, at: time) }
        var taken: [(Micros, Int)] = []
        while let (time, number) = queue.take() { taken.append((time, number)) }
        let wanted = times.enumerated().map { ($0.element, $0.offset) }.sorted { $0 < $1 }
        #expect(taken.map(\.1) == wanted.map(\.1))
    }
}
