import Foundation
import Testing

/// A file of plans: comment lines, then `key=value` words, then `----`, then what the planner decides.
/// Cases are parted by empty lines. PLASMA_GOLDEN=rewrite writes what is decided now; the diff is the review.
struct PlanCases {
    struct Words {
        var values: [String: String]
        subscript(_ key: String) -> String? { values[key] }
        func has(_ key: String) -> Bool { values[key] != nil }
    }

    static func check(_ file: String, _ decide: (Words) throws -> [String], at place: SourceLocation = #_sourceLocation) throws {
        let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Cases/" + file)
        let text = try String(contentsOf: url, encoding: .utf8)
        var rewritten: [String] = []
        for block in text.components(separatedBy: "\n\n") where !block.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
            let head = Array(lines.prefix { $0 != "----" })
            let expected = Array(lines.dropFirst(head.count + 1))
            let words = head.filter { !$0.hasPrefix("#") }.flatMap { $0.split(separator: " ") }
            let values = words.map { word in
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                return (parts[0], parts.count > 1 ? parts[1] : "")
            }
            let found = try decide(Words(values: Dictionary(values, uniquingKeysWith: { $1 })))
            rewritten.append((head + ["----"] + found).joined(separator: "\n"))
            if ProcessInfo.processInfo.environment["PLASMA_GOLDEN"] != "rewrite" {
                #expect(found == expected, "\(file): \(head.joined(separator: " / "))", sourceLocation: place)
            }
        }
        #expect(!rewritten.isEmpty, "\(file) holds no case", sourceLocation: place)
        if ProcessInfo.processInfo.environment["PLASMA_GOLDEN"] == "rewrite" {
            try (rewritten.joined(separator: "\n\n") + "\n").write(to: url, atomically: true, encoding: .utf8)
        }
    }
}
