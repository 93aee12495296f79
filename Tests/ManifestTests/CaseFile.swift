import Foundation
import Testing

/// Cases in a text file: comment lines with "#", the input, a line "----", the expected output; cases are parted by a
/// line "====". With PLASMA_REWRITE_CASES=1 the outputs are written anew, and the diff is the review.
/// In the input `⇥` stands for a tab and `␀` for a NUL byte.
struct CaseFile {
    struct Case {
        var comment: String
        var input: String
        var expected: String
    }

    let url: URL
    let cases: [Case]

    init(_ name: String, file: String = #filePath) throws {
        url = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Cases/\(name).txt")
        let text = try String(contentsOf: url, encoding: .utf8)
        cases = text.components(separatedBy: "====\n").map { block in
            var lines = block.components(separatedBy: "\n")
            let end = lines.firstIndex { !$0.hasPrefix("#") } ?? lines.endIndex
            let comment = lines[..<end].joined(separator: "\n")
            lines.removeFirst(end)
            let parts = lines.joined(separator: "\n").components(separatedBy: "----\n")
            return Case(comment: comment, input: parts[0], expected: parts.dropFirst().joined(separator: "----\n"))
        }
    }

    func check(_ run: (String) -> String) throws {
        var rewritten: [String] = []
        for item in cases {
            let output = run(item.input.replacingOccurrences(of: "⇥", with: "\t").replacingOccurrences(of: "␀", with: "\0"))
            rewritten.append(item.comment + "\n" + item.input + "----\n" + output)
            if ProcessInfo.processInfo.environment["PLASMA_REWRITE_CASES"] == nil {
                #expect(output == item.expected, "\(url.lastPathComponent): \(item.comment)")
            }
        }
        if ProcessInfo.processInfo.environment["PLASMA_REWRITE_CASES"] != nil {
            try rewritten.joined(separator: "====\n").write(to: url, atomically: true, encoding: .utf8)
        }
    }
}

/// SplitMix64: the same seed gives the same run everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
