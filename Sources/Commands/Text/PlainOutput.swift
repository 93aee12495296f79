import ArgumentParser
import Manifest

/// How verbs print what is no list of objects.
enum PlainFormat: String, CaseIterable, ExpressibleByArgument, Sendable { case table, json, yaml }

/// `-o` of those verbs.
struct PlainOutputOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp("table, json or yaml.", valueName: "format"))
    var format = PlainFormat.table

    /// - Parameter table: drawn only when it is wanted.
    func write(_ document: JSON, table: () -> String) {
        switch format {
        case .table:
            let text = table()
            if !text.isEmpty { Output.write(ObjectPrinter.terminated(text)) }
        case .json: Output.write(ObjectPrinter.terminated(ObjectPrinter.text(document)))
        case .yaml: Output.write(ObjectPrinter.terminated(document.yaml()))
        }
    }
}
