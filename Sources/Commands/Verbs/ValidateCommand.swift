import ArgumentParser
import Foundation
import Kinds
import Manifest
import Resource

struct ValidateCommand: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Checks manifests without a server.",
        discussion: """
            Reports every problem of every file at once, each as
              file:line:column: Kind/name path: what is wrong

            References between objects are checked within the manifests given: give all of a cluster's.

            EXAMPLES
              plasma validate -f manifests/
              plasma validate -f lab.yaml -o json

            EXIT CODES
              0  valid
              1  problems, or a file that cannot be read
            """)

    @OptionGroup var manifest: ManifestOptions
    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp("text or json.", valueName: "format"))
    var format = Format.text

    mutating func validate() throws { try manifest.requireSome(for: "validate") }

    func run() async throws {
        let files = try manifest.load()
        let reading = files.checked()
        let validation = Validation(files: files.files.count + files.problems.count, objects: reading.drafts.count, problems: reading.problems)
        Output.write(format == .json ? validation.json : validation.text)
        if !validation.isValid { throw ExitCode(1) }
    }
}

/// What `validate` found, in either format.
struct Validation: Hashable, Sendable {
    var files: Int
    var objects: Int
    var problems: [Problem]

    var isValid: Bool { problems.isEmpty }

    private var count: String { "\(objects) \(objects == 1 ? "object" : "objects") in \(files) \(files == 1 ? "file" : "files")" }

    var text: String {
        if isValid { return "valid: \(count)\n" }
        return problems.map { printable($0.description) + "\n" }.joined() + "\(InvalidManifest(problems: problems).sum)\n"
    }

    var json: String {
        let problems = problems.map { problem in
            JSON.object([
                "file": .string(problem.file), "line": .integer(Int64(problem.mark.line)),
                "column": .integer(Int64(problem.mark.column)),
                "object": .string(problem.object), "path": .string(problem.path), "message": .string(problem.message),
            ])
        }
        let document = JSON.object([
            "valid": .bool(isValid), "files": .integer(Int64(files)), "objects": .integer(Int64(objects)),
            "problems": .array(problems),
        ])
        return ObjectPrinter.terminated(ObjectPrinter.text(document))
    }
}
