import ArgumentParser
import Resource

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Tells what a kind and its fields mean.",
        discussion: """
            Works without a server: it reads the same schema that manifests are checked against.

            EXAMPLES
              plasma explain node
              plasma explain node.spec.machine.virtual
              plasma explain disk --recursive

            EXIT CODES
              0  explained
              1  no such kind or field
            """)

    @Argument(help: ArgumentHelp("KIND or KIND.path, such as node.spec.disks. The kinds when absent.", valueName: "field"))
    var field: String?
    @Flag(help: "Fields below fields, without their descriptions.") var recursive = false

    func run() async throws {
        guard let field else {
            var table = Table(header: ["KIND", "PLURAL", "SHORT", "DESCRIPTION"])
            for kind in kinds.all {
                table.add([
                    Table.Cell(kind.name), Table.Cell(kind.plural), Table.Cell(kind.shortNames.joined(separator: ",")),
                    Table.Cell(kind.summary),
                ])
            }
            return Output.write(table.take().map { $0 + "\n" }.joined())
        }
        let steps = field.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let kind = try Selection.kind(steps[0], kinds: kinds)
        Output.write(
            try Explanation(kind: kind.name, summary: kind.summary, schema: kind.schema()).text(
                of: Array(steps.dropFirst()), isRecursive: recursive))
    }
}
