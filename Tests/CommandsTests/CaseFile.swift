import Foundation
import Testing

/// Cases in a text file beside the tests: a sentence after `#`, what goes in, `----`, what comes out, `====`.
/// `PLASMA_GOLDEN=rewrite` writes what came out; the diff is the review.
struct CaseFile {
    struct Case {
        var sentence: String
        var input: String
        var output: String
    }

    private let path: String
    private var cases: [Case] = []

    init(_ name: String, _ file: StaticString = #filePath) throws {
        path = URL(fileURLWithPath: "\(file)").deletingLastPathComponent().appendingPathComponent("Cases/\(name).txt").path
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        for part in text.components(separatedBy: "\n====\n") where !part.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty {
            let halves = (part + "\n").components(separatedBy: "\n----\n")
            let lines = halves[0].components(separatedBy: "\n").drop { $0.isEmpty }
            guard lines.first?.hasPrefix("# ") == true else { throw CaseProblem("\(name): a case has no sentence: \(part)") }
            cases.append(
                Case(
                    sentence: String(lines.first!.dropFirst(2)), input: lines.dropFirst().joined(separator: "\n"),
                    output: halves.count > 1 ? String(halves[1].dropLast()) : ""))
        }
    }

    /// Errors are outputs too.
    func check(_ run: (String) throws -> String) throws {
        let isRewriting = ProcessInfo.processInfo.environment["PLASMA_GOLDEN"] == "rewrite"
        var written = ""
        for item in cases {
            var output: String
            do { output = try run(item.input) } catch { output = "error: \(error)" }
            while output.hasSuffix("\n") { output.removeLast() }
            if !isRewriting { #expect(output == item.output, "\(item.sentence)") }
            written += "# \(item.sentence)\n\(item.input)\n----\n\(output)\n====\n"
        }
        if isRewriting { try Data(written.utf8).write(to: URL(fileURLWithPath: path)) }
    }
}

struct CaseProblem: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
