import Raft
import Replica
import Simulation
import Store
import Testing

@testable import Chainfire

struct MachineReadTests {
    @Test func `transactions that only read answer the same, whatever lies in memory`() throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let (one, other) = (try Bench(here.path), try Bench(there.path, tiny))
        var dice = SeededDice(5)
        for step in 0..<200 {
            let command = StoreCommand.transaction(Transaction(then: [.put(Key("k\(step % 40)"), [UInt8(step % 7)] + Array(repeating: 1, count: step % 50))]))
            try one.apply(command)
            try other.apply(command)
        }
        for bench in [one, other] { try bench.machine.flush() }
        #expect(other.machine.state.withLock { $0.keyspace.cachedBytes } < one.machine.state.withLock { $0.keyspace.cachedBytes })
        func reading(_ depth: Int) -> Transaction {
            func key() -> Key { Key("k\(Int.random(in: 0..<45, using: &dice))") }
            func operations() -> [Operation] {
                (0..<2).map { _ -> Operation in
                    if depth > 0, Bool.random(using: &dice) { return .transaction(reading(depth - 1)) }
                    var request = RangeRequest(Bool.random(using: &dice) ? .all : .single(key()))
                    if Bool.random(using: &dice) { request.sort = RangeRequest.Sort(.descending, by: .value) }
                    if Bool.random(using: &dice) { request.revision = Revision(Int.random(in: 150...200, using: &dice)) }
                    return .range(request)
                }
            }
            // What is compared is often not in memory, and decides which rows are read.
            let compares = (0..<2).map { _ in Compare(key(), .greater, .value([UInt8(Int.random(in: 0..<5, using: &dice))])) }
            return Transaction(if: compares, then: operations(), otherwise: operations())
        }
        for round in 0..<300 {
            let transaction = reading(2)
            #expect(try other.machine.read(transaction) == one.machine.read(transaction), "round \(round)")
        }
        #expect(throws: StoreError.futureRevision(asked: 999, current: 201)) {
            _ = try other.machine.read(Transaction(then: [.range(RangeRequest(.single("k1"), at: 999))]))
        }
    }
}
