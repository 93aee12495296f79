import Foundation

@main
struct Bench {
    private struct Result: Codable {
        var machine: Machine
        var rows: [Row]
    }

    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.contains("--help") || arguments.contains("-h") { return print(Options.usage) }
        do {
            try await run(try Options(arguments))
        } catch {
            say("\(error)")
            exit(1)
        }
    }

    private static func run(_ options: Options) async throws {
        let machine = Machine(directory: options.directory)
        print(machine.markdown + "\n\n" + Row.header)
        var rows: [Row] = []
        for name in options.rows {
            say(name)
            let found: [Row]
            switch name {
            case "sync": found = try syncRows(options)
            case "manifest": found = try await manifestRows(options)
            case "diff":
                found = try await diffRows(Scene.of(objects: options.objects), options)
                    + (options.nodes == 0 ? [] : diffRows(Scene(nodes: options.nodes), options))
            case "reconcile": found = try await reconcileRows(options)
            case "latency": found = try await latencyRows(options)
            default: found = try await idleRows(options)
            }
            for row in found { print(row.markdown) }
            fflush(nil)
            rows += found
        }
        guard let path = options.json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(Result(machine: machine, rows: rows)).write(to: URL(fileURLWithPath: path))
    }
}
