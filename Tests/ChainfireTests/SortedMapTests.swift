import Store
import Testing
@testable import Chainfire

struct SortedMapTests {
    @Test(arguments: [1, 2, 3, 4, 5]) func `it holds what a dictionary would, in order`(seed: Int) {
        var dice = SeededDice(UInt64(seed))
        var map = SortedMap<Int>()
        var model: [Key: Int] = [:]
        for step in 0..<6_000 {
            let key = Key("\(Int.random(in: 0..<2_000, using: &dice))")
            if step % 3 == 2 {
                let removed = map.remove(key)
                #expect(removed == model.removeValue(forKey: key), "seed \(seed) step \(step)")
            } else if map[key] == nil {
                map.insert(key, step)
                model[key] = step
            } else {
                map.update(key) { $0 = -step }
                model[key] = -step
            }
        }
        #expect(map.count == model.count)
        let sorted = model.sorted { $0.key < $1.key }
        let ranges: [KeyRange] = [
            .all, .prefix("1"), KeyRange(lower: "3", upper: "77"), KeyRange(lower: "9", upper: "1"), .single("5"),
        ]
        for range in ranges {
            var seen: [Key] = []
            map.forEach(in: range) { key, value in
                seen.append(key)
                #expect(model[key] == value, "seed \(seed)")
            }
            #expect(seen == sorted.map(\.key).filter { range.contains($0) }, "seed \(seed) \(range)")
        }
    }

    /// Keys that begin alike for longer or shorter, end within one another, and differ by zeros only.
    @Test(arguments: [1, 2, 3, 4]) func `keys of all shapes have their places`(seed: Int) {
        var dice = SeededDice(UInt64(seed))
        func key() -> Key {
            let stems: [[UInt8]] = [[], Array("/registry/".utf8), Array("/registry/pods/default/".utf8), [0xFF, 0xFF], [0]]
            var bytes = stems[Int.random(in: 0..<stems.count, using: &dice)]
            for _ in 0..<Int.random(in: 0..<14, using: &dice) { bytes.append([0, 0, 0, 1, 0x61, 0x62, 0xFF][Int.random(in: 0..<7, using: &dice)]) }
            return Key(bytes)
        }
        var keys: SortedKeys?
        var map = SortedMap<Int>()
        var model: [Key] = []
        for step in 0..<4_000 {
            let key = key()
            let wanted = model.firstIndex { $0 >= key } ?? model.count
            let isThere = wanted < model.count && model[wanted] == key
            if let place = keys?.place(of: key) { #expect(place == (wanted, isThere), "seed \(seed) step \(step)") }
            #expect((map[key] != nil) == isThere, "seed \(seed) step \(step)")
            switch (isThere, step % 5) {
            case (false, _):
                if keys == nil { keys = SortedKeys([key]) } else { keys?.insert(key, at: wanted) }
                map.insert(key, step)
                model.insert(key, at: wanted)
            case (true, 0) where model.count > 1:
                keys?.remove(at: wanted)
                map.remove(key)
                model.remove(at: wanted)
            case (true, 1):
                // Any that has its place between the same two.
                let longer = Key(key.bytes + [0])
                guard wanted + 1 == model.count || longer < model[wanted + 1] else { break }
                keys?.replace(at: wanted, with: longer)
                map.remove(key)
                map.insert(longer, step)
                model[wanted] = longer
            case (true, 2) where wanted > 0:
                let tail = keys?.split(at: wanted)
                #expect(keys?.keys == Array(model[..<wanted]) && tail?.keys == Array(model[wanted...]))
                keys = SortedKeys(model)
            case (true, _): break
            }
        }
        #expect(keys?.keys == model)
    }

    @Test func `keys that come in order fill their arrays`() {
        var map = SortedMap<Int>()
        for number in 0..<10_000 { map.insert(Key("\(100_000 + number)"), number) }
        var next = 0
        map.forEach(in: .all) { _, value in
            #expect(value == next)
            next += 1
        }
        #expect(next == 10_000)
    }
}

/// SplitMix64.
struct SeededDice: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
