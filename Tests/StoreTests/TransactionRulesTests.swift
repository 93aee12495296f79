import Simulation
import Store
import Testing

@Suite struct TransactionRulesTests {
    /// Of few keys each is compared with each; of many they are sorted.
    @Test func `a key that is put where another operation deletes is found among however many`() {
        var dice = FuzzDice(51)
        var refused = 0
        for number in 0..<FuzzDice.count(300) {
            func key() -> Key { Key(dice.bytes(dice.number(1...2)).map { $0 & 0x3F }) }
            let count = dice.pick([3, 40])
            var deletes: [KeyRange] = [], puts: Set<Key> = []
            for _ in 0..<count {
                let lower = key()
                deletes.append(dice.oneIn(60) ? KeyRange(lower: lower, upper: nil) : dice.oneIn(6) ? KeyRange(lower: lower, upper: key()) : .single(lower))
                puts.insert(key())
            }
            // Half of the time none is in any.
            if dice.oneIn(2) { puts = puts.filter { key in !deletes.contains { $0.contains(key) } } }
            let inner = [Transaction(then: deletes.map { .delete($0) }), Transaction(then: puts.sorted().map { .put($0, [], lease: 0) })]
            let isIn = puts.contains { key in deletes.contains { $0.contains(key) } }
            if isIn { refused += 1 }
            let operations = (dice.oneIn(2) ? inner : inner.reversed()).map { Operation.transaction($0) }
            do throws(StoreError) {
                try Transaction(then: operations).validate()
                #expect(!isIn, "input \(number)")
            } catch {
                #expect(isIn && "\(error)".contains("duplicate key"), "input \(number): \(error)")
            }
        }
        #expect(refused > 30)
    }

    @Test(.timeLimit(.minutes(1))) func `the largest of them are judged at once`() throws {
        func tree(_ depth: Int, _ next: inout Int, _ leaf: (Key) -> Operation) -> Transaction {
            Transaction(then: (0..<42).map { _ in
                if depth > 0 { return .transaction(tree(depth - 1, &next, leaf)) }
                next += 1
                return leaf(Key(withUnsafeBytes(of: UInt32(next).bigEndian, Array.init)))
            })
        }
        var next = 0
        let deletes = tree(2, &next) { .delete(.single($0)) }
        let puts = tree(2, &next) { .put($0, [], lease: 0) }
        try Transaction(then: [.transaction(deletes), .transaction(puts)]).validate()
    }
}
