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
        func tell(_ found: [Row]) {
            for row in found { print(row.markdown) }
            fflush(nil)
            rows += found
        }
        for name in options.rows {
            say(name)
            switch name {
            case "sync": tell(try syncRows(options))
            case "manifest": tell(try await manifestRows(options))
            case "diff":
                tell(try await diffRows(Scene.of(objects: options.objects), options))
                if options.nodes > 0 { tell(try await diffRows(Scene(nodes: options.nodes), options)) }
            case "foresee": tell(try await foreseeRows(options))
            case "reconcile": tell(try await reconcileRows(options))
            case "latency": tell(try await latencyRows(options))
            case "certificates": tell(try await certificateRows(options))
            default: tell(try await idleRows(options))
            }
        }
        guard let path = options.json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(Result(machine: machine, rows: rows)).write(to: URL(fileURLWithPath: path))
    }
}
