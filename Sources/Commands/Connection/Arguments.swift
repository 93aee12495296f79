import API
import ArgumentParser
import Kinds
import Manifest
import Resource

/// The kinds that this program knows.
let kinds = Catalog.table

/// Kinds whose objects a controller brings to their goal; objects of the others are only recorded,
/// and nobody waits for them.
let reconciledKinds = Catalog.reconciled

/// `--timeout`: 90s, 10m, 1h30m; 0 waits for ever.
struct Timeout: ExpressibleByArgument, Hashable, Sendable {
    /// nil: no limit.
    var duration: Duration?

    init(_ duration: Duration?) { self.duration = duration }

    init?(argument: String) {
        if argument == "0" {
            duration = nil
        } else if let span = try? TimeSpan(scalar: argument) {
            duration = span.milliseconds == 0 ? nil : span.duration
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        duration.map { TimeSpan(milliseconds: $0.components.seconds * 1000).scalarText } ?? "0"
    }
}

/// `-l`.
struct SelectorOptions: ParsableArguments {
    @Option(
        name: [.customShort("l"), .customLong("selector")],
        help: ArgumentHelp("Only objects with these labels: app=web,tier!=db,zone in (a,b),!old", valueName: "labels"),
        transform: { try LabelSelector($0) })
    var selector: LabelSelector?

    /// Who names objects has chosen them.
    func refuse(beside selections: [Selection]) throws {
        guard selector != nil, selections.contains(where: { $0.names != nil }) else { return }
        throw Failure("-l and names exclude each other: name the objects or select them by label")
    }
}

/// `-o` of the verbs that print objects.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("wide, yaml, json, name or jsonpath=TEMPLATE.", valueName: "format"),
        completion: .list(["wide", "yaml", "json", "name", "jsonpath="]), transform: { try OutputFormat.read($0) })
    var format: OutputFormat = .table
}
