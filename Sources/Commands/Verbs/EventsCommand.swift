import API
import ArgumentParser
import Foundation
import Manifest
import Resource

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Lists what happened, oldest first.",
        discussion: """
            EXAMPLES
              plasma events
              plasma events --for node/node01
              plasma events -w

            EXIT CODES
              0    listed
              1    the server was not reached
              130  interrupted
            """)

    @Option(name: .customLong("for"), help: ArgumentHelp("Only events of this object: KIND/NAME.", valueName: "object"))
    var object: String?
    @Flag(name: [.customShort("w"), .customLong("watch")], help: "Follow until interrupted.") var watch = false
    @OptionGroup var output: OutputOptions
    @Flag(name: .customLong("no-headers"), help: "A table without the line of titles.") var noHeaders = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let about = try object.map { try Selection.reference($0, kinds: kinds) }.map {
            Reference(kind: $0.kind.name, name: $0.name)
        }
        let isColored = connection.terminal.isColored
        try await connection.withClient { client in
            var table = EventTable(showsObject: about == nil, showsHeader: !noHeaders)
            guard watch else {
                let events = try await client.events(about: about).sorted(by: EventTable.isEarlier)
                return try printAll(events, &table, isColored)
            }
            try await Output.following {
                for try await event in client.watchEvents(about: about) {
                    guard output.format == .table || output.format == .wide else {
                        Output.write(try EventText.change(event, as: output.format))
                        continue
                    }
                    table.add(event, now: Date())
                    Output.write(table.take(isColored: isColored).map { $0 + "\n" }.joined())
                }
            }
        }
    }

    private func printAll(_ events: [EventRecord], _ table: inout EventTable, _ isColored: Bool) throws {
        guard output.format == .table || output.format == .wide else {
            return Output.write(try EventText.list(events, as: output.format))
        }
        if events.isEmpty { return Output.complain("No events found.") }
        for event in events { table.add(event, now: Date()) }
        Output.write(table.take(isColored: isColored).map { $0 + "\n" }.joined())
    }
}

/// Events whole.
enum EventText {
    static func list(_ events: [EventRecord], as format: OutputFormat) throws -> String {
        let list = ObjectPrinter.list(try events.map(json))
        switch format {
        case .table, .wide: preconditionFailure("a table is drawn by EventTable")
        case .name: return events.map { "event/\($0.metadata.name)\n" }.joined()
        case .yaml: return ObjectPrinter.terminated(list.yaml())
        case .json: return ObjectPrinter.terminated(ObjectPrinter.text(list))
        case .jsonPath(let path): return path.evaluate(list)
        }
    }

    static func change(_ event: EventRecord, as format: OutputFormat) throws -> String {
        switch format {
        case .table, .wide: preconditionFailure("a table is drawn by EventTable")
        case .name: return "event/\(event.metadata.name)\n"
        case .yaml: return "---\n" + ObjectPrinter.terminated(try json(event).yaml())
        case .json: return try json(event).text + "\n"
        case .jsonPath(let path): return path.evaluate(try json(event)) + "\n"
        }
    }

    private static func json(_ event: EventRecord) throws -> JSON { try JSON(parsing: try Wire.encode(event)) }
}
