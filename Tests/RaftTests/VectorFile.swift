import Foundation
import Testing

/// A data-driven test file as etcd-io/raft writes them: commands with arguments and input, each with what it answers.
struct VectorFile: Sendable, CustomTestStringConvertible {
    struct Directive: Sendable {
        var line: Int
        var command: String
        var arguments: [String: String]
        var input: [String]
        var expected: [String]
    }

    var name: String
    var directives: [Directive]
    var testDescription: String { name }

    /// Beside the repository; nil where it is absent.
    private static let folder: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let path = root.deletingLastPathComponent().appending(path: "shared/conformance/raft").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    static var areHere: Bool { folder != nil }

    /// All files of one part, sorted by name.
    static func all(_ part: String) -> [VectorFile] {
        guard let folder else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(part)")) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted().compactMap { name in
            guard let text = try? String(contentsOfFile: "\(folder)/\(part)/\(name)", encoding: .utf8) else { return nil }
            return VectorFile(name: "\(part)/\(name)", text: text)
        }
    }

    private init(name: String, text: String) {
        self.name = name
        directives = []
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
        while let head = lines.popFirst() {
            guard !head.isEmpty, !head.hasPrefix("#") else { continue }
            let (command, arguments) = Self.split(head)
            let line = lines.startIndex
            let input = Array(lines.prefix { $0 != "----" })
            lines = lines.dropFirst(input.count + 1)
            let expected = Array(lines.prefix { !$0.isEmpty })
            lines = lines.dropFirst(expected.count)
            directives.append(.init(line: line, command: command, arguments: arguments, input: input, expected: expected))
        }
    }

    private static func split(_ head: String) -> (String, [String: String]) {
        var arguments: [String: String] = [:]
        for match in head.matches(of: #/(\w+)=(?:\(([^)]*)\)|(\w+))/#) {
            arguments[String(match.1)] = String(match.2 ?? match.3 ?? "")
        }
        return (String(head.prefix { $0 != " " }), arguments)
    }
}

extension VectorFile.Directive {
    func list(_ name: String) -> [String] {
        guard let text = arguments[name], text != "zero" else { return [] }
        return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    func ids(_ name: String) -> [UInt64] { list(name).compactMap { UInt64($0) } }
}
