import Simulation
import Store
import Testing

@testable import ClusterSimulation

/// Short histories of a store that is right, and the same with one thing made wrong.
private struct RandomHistory {
    var dice: Dice
    var history = History()

    /// Every call takes effect at one moment between its beginning and its end; those moments are the order of the model.
    init(seed: UInt64, calls count: Int) {
        dice = Dice(seed: seed)
        var model = Model(checksLeases: false)
        var load = Load(&dice)
        load.weights = [(.put, 4), (.delete, 2), (.compareAndSet, 3), (.create, 2), (.readLast, 3), (.readRange, 1)]
        load.keys = 2
        var clients = (0..<3).map { Client(number: $0, dice: dice.fork(), target: 1) }
        var time: Micros = 0
        for _ in 0..<count {
            time += 10
            let client = dice.below(3)
            let request = clients[client].next(load)
            let spread = (before: dice.below(Int64(25)), after: dice.below(Int64(25)))
            var call = Call(
                client: client, request: request, invoked: time - spread.before, returned: time + spread.after, answer: .unknown)
            switch request {
            case .transaction(let transaction):
                guard !dice.oneIn(8) else {
                    // It never arrived, and nobody knows.
                    call.returned = nil
                    break
                }
                guard case .success(let result) = model.commit(transaction).result else { continue }
                call.answer = .transaction(result)
                if dice.oneIn(6) {
                    call.answer = .unknown
                    call.returned = nil
                    call.hint = result.mutates ? result.revision : nil
                }
            case .range(let request, _):
                guard case .success(let result) = model.range(request) else { continue }
                call.answer = .range(result)
            default: continue
            }
            clients[client].learn(call.answer, to: request)
            history.calls.append(call)
        }
    }

    /// Makes one thing wrong, which need not make the history unlawful.
    mutating func spoil() {
        guard !history.calls.isEmpty else { return }
        let place = dice.below(history.calls.count)
        switch dice.below(4) {
        case 0:
            // An answer that was late by much. What is said of a call without an answer must stay true.
            guard history.calls[place].answer != .unknown else { return }
            history.calls[place].invoked += 60
            history.calls[place].returned = history.calls[place].returned.map { $0 + 60 }
        case 1:
            if case .range(var result) = history.calls[place].answer {
                result.revision = max(1, result.revision - 1)
                history.calls[place].answer = .range(result)
            }
        case 2:
            if case .range(var result) = history.calls[place].answer, !result.entries.isEmpty {
                result.entries[0].value = [0]
                history.calls[place].answer = .range(result)
            }
        default:
            let other = dice.below(history.calls.count)
            // The hint of a call that got no answer must be true.
            guard history.calls[place].answer != .unknown, history.calls[other].answer != .unknown else { return }
            (history.calls[place].answer, history.calls[other].answer) = (
                history.calls[other].answer, history.calls[place].answer
            )
        }
    }
}

@Suite struct `The checker of histories` {
    @Test func `finds every right history right`() {
        for seed in 0..<UInt64(500) {
            let random = RandomHistory(seed: seed, calls: 60)
            var checker = RevisionChecker(random.history)
            let problem = checker.problem()
            #expect(problem == nil, "seed \(seed)")
        }
    }

    @Test func `agrees with the general search on short histories, right and wrong`() {
        var wrong = 0
        for seed in 0..<UInt64(1_500) {
            var random = RandomHistory(seed: seed, calls: 7)
            random.spoil()
            var quick = RevisionChecker(random.history)
            var search = WindowChecker(random.history)
            let (problem, isLawful) = (quick.problem(), search.isLinearizable())
            #expect((problem == nil) == isLawful, "seed \(seed): \(problem ?? "lawful")")
            if problem != nil { wrong += 1 }
        }
        #expect(wrong > 300, "only \(wrong) histories were wrong")
    }

    @Test func `finds a stale read, a lost write and a write out of time`() {
        let put = Request.transaction(Transaction(then: [.put("a", [1])]))
        func result(_ revision: Revision, _ previous: Entry?) -> Answer {
            .transaction(TransactionResult(revision: revision, succeeded: true, results: [.put(previous: previous)]))
        }
        let read = Request.range(RangeRequest(.all), serializable: false)
        let empty = Answer.range(RangeResult(entries: [], count: 0, revision: 1))
        func problem(_ calls: [Call]) -> String? {
            var history = History()
            history.calls = calls
            var checker = RevisionChecker(history)
            return checker.problem()
        }
        let first = Call(client: 0, request: put, invoked: 0, returned: 10, answer: result(2, nil))
        #expect(problem([first, Call(client: 1, request: read, invoked: 5, returned: 12, answer: empty)]) == nil)
        #expect(
            problem([first, Call(client: 1, request: read, invoked: 11, returned: 12, answer: empty)])?.contains("asked after")
                == true)
        #expect(
            problem([first, Call(client: 1, request: put, invoked: 11, returned: 12, answer: result(2, nil))])?.contains("twice")
                == true)
        #expect(
            problem([Call(client: 1, request: put, invoked: 11, returned: 12, answer: result(3, nil))])?.contains("nobody")
                == true)
    }
}
