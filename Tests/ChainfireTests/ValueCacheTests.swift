import Simulation
import Store
import Testing
@testable import Chainfire

struct ValueCacheTests {
    @Test func `what is over the budget goes, the oldest first, and nothing that was overwritten`() {
        for seed in UInt64(1)...20 {
            var dice = SimulatedDisk.Dice(seed: seed)
            var cache = ValueCache(bytesMax: 1_000)
            var held: [(key: Key, id: ChangeID, bytes: Int)] = []
            for revision in Revision(2)...20_000 {
                let key = Key("k\(Int.random(in: 0..<40, using: &dice))")
                if let old = held.firstIndex(where: { $0.key == key }) { cache.forget(held.remove(at: old).id) }
                let item = (key: key, id: ChangeID(revision, 0), bytes: Int.random(in: 0..<80, using: &dice))
                held.append(item)
                cache.add(item.key, item.id, bytes: item.bytes)
                while let gone = cache.takeExcess() {
                    let oldest = held.removeFirst()
                    #expect(gone.id == oldest.id && gone.key == oldest.key, "seed \(seed), revision \(revision)")
                }
                let bytes = held.reduce(0) { $0 + $1.bytes }
                #expect(cache.bytes == bytes && bytes <= 1_000, "seed \(seed), revision \(revision)")
            }
        }
    }
}
