import Manifest
import Resource
import Testing

@testable import Kinds

/// Wrong input of every kind must be told of, never trip us up.
@Suite struct ManifestsNoiseTests {
    /// SplitMix64: the same seed gives the same manifest.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private let nonsense = [
        "", "0", "-1", "18446744073709551615", "16EiB", "9223372036854775807h", "255.255.255.255", "0.0.0.0/0",
        "ff:ff:ff:ff:ff:ff", "[]", "{}",
        "~", "true", "100%", "100%FREE", "\"\\0\"", "*a", "&a x", "node01", "/", "\"🂡\"", "sha256:", "1e400",
        "{type: luks, name: x, content: {type: gpt}}",
    ]

    @Test func `a manifest of which lines were spoilt is read to its end, and problems stand within it`() throws {
        let files = try goodManifests()
        for seed in 0..<200 {
            var dice = Dice(state: UInt64(seed))
            let file = files[seed % files.count]
            var lines = String(decoding: file.bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(
                String.init)
            for _ in 0..<Int.random(in: 1...6, using: &dice) {
                let place = Int.random(in: lines.indices, using: &dice)
                switch Int.random(in: 0..<4, using: &dice) {
                case 0: lines.remove(at: place)
                case 1: lines.insert(lines[Int.random(in: lines.indices, using: &dice)], at: place)
                case 2: lines.swapAt(place, Int.random(in: lines.indices, using: &dice))
                default:
                    let colon = lines[place].firstIndex(of: ":") ?? lines[place].endIndex
                    lines[place] = lines[place][..<colon] + ": " + nonsense.randomElement(using: &dice)!
                }
            }
            let found = problems([("noise.yaml", Array(lines.joined(separator: "\n").utf8))])
            for problem in found {
                #expect((1...lines.count + 1).contains(problem.mark.line) && problem.mark.column >= 1, "seed \(seed): \(problem)")
                #expect(!problem.message.isEmpty, "seed \(seed): \(problem)")
            }
            #expect(Set(found).count == found.count, "seed \(seed): told twice")
        }
    }
}
