import Manifest
import Testing

@testable import Commands

struct JSONPathTests {
    /// The template on the first line, the data below.
    @Test func `templates are evaluated, and what is not known is refused with its place`() throws {
        try CaseFile("jsonpath").check { input in
            let lines = input.components(separatedBy: "\n")
            let path = try JSONPath(lines[0])
            let data = lines.count > 1 ? try Scene.documents(lines.dropFirst().joined(separator: "\n"))[0] : .object([:])
            return "[" + path.evaluate(data) + "]"
        }
    }

    @Test func `no template makes the reader fail other than by its own error`() {
        var generator = SplitMix(state: 42)
        let letters = Array("{}[].*:?@$'\"\\ abrangeend0-1")
        for _ in 0..<20_000 {
            let length = Int(generator.next() % 24)
            let text = String((0..<length).map { _ in letters[Int(generator.next() % UInt64(letters.count))] })
            do { _ = try JSONPath(text).evaluate(["a": ["b": [1, 2, 3]]]) } catch {
                #expect(error.column <= text.count + 2, "\(text)")
            }
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
