import API
import ArgumentParser
import Foundation
import Resource

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Lists objects, and follows them.",
        discussion: """
            READY is the Ready condition: True, False or Unknown. STATUS is the \
            phase: Ready, Starting, Waiting, Failing, Stalled, Deleting, Suspended. -o wide adds columns and the reason.

            With -w, prints a row (or object) for each change until interrupted.

            EXAMPLES
              plasma get nodes
              plasma get vm node01 node02 -o wide
              plasma get node/node01 disk/node01-vda
              plasma get all -l role=control-plane
              plasma get nodes -w
              plasma get nodes \\
                  -o jsonpath='{range .items[*]}{.metadata.name}{"\\n"}{end}'
              plasma get node/node01 -o yaml | plasma apply -f -

            JSONPATH knows {.a.b[0].c}, {.a[-1]}, {.a[0:2]}, {.a[*]}, {["a.b"]}, {range …}{end} and {"\\n"}.

            EXIT CODES
              0    printed
              1    an object is not there, or the server was not reached
              130  interrupted
            """)

    @Argument(help: ArgumentHelp("KIND [NAME…], KIND,KIND, KIND/NAME… or all.", valueName: "object")) var objects: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var labels: SelectorOptions
    @Flag(name: [.customShort("w"), .customLong("watch")], help: "Follow changes until interrupted.") var watch = false
    @Flag(name: .customLong("no-headers"), help: "Tables without the line of titles.") var noHeaders = false
    @Option(
        name: .customLong("sort-by"), help: ArgumentHelp("name, age or a path such as .spec.cpus.", valueName: "key"),
        transform: { try SortKey($0) })
    var sortBy: SortKey = .name
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let selections = try Selection.parse(objects, kinds: kinds)
        try labels.refuse(beside: selections)
        let terminal = connection.terminal
        try await connection.withClient { client in
            let found = try await Listing.fetch(selections, selector: labels.selector, client: client)
            let printer = try printFirst(found, selections, terminal)
            if watch, found.missing.isEmpty {
                try await Output.following { try await follow(found, printer, client) }
            } else if !found.missing.isEmpty {
                throw Failure(found.missing.map { "\($0) is not there" }.joined(separator: "\nplasma: "))
            }
        }
    }

    private func printFirst(_ found: Listing, _ selections: [Selection], _ terminal: Terminal) throws -> RowPrinter {
        let isSingle = selections.count == 1 && selections[0].names?.count == 1
        var rows = RowPrinter(
            isWide: output.format == .wide, isPrefixed: selections.count > 1, showsHeader: !noHeaders,
            reconciled: reconciledKinds,
            isColored: terminal.isColored)
        switch output.format {
        case .table, .wide:
            Output.write(try rows.blocks(found.parts.map { ($0.kind, try sortBy.sorted($0.objects)) }, now: Date()))
            if found.count == 0, found.missing.isEmpty { Output.complain("No objects found.") }
        case let format where watch:
            for part in found.parts {
                for object in try sortBy.sorted(part.objects) { Output.write(try ObjectPrinter.printChange(object, as: format)) }
            }
        case let format:
            let objects = try found.parts.flatMap { try sortBy.sorted($0.objects) }
            if objects.isEmpty, isSingle { return rows }
            Output.write(try ObjectPrinter.print(objects, as: format, asList: !isSingle))
        }
        return rows
    }

    private func follow(_ found: Listing, _ printer: RowPrinter, _ client: Client) async throws {
        var printer = printer
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let (changes, mailbox) = AsyncThrowingStream.makeStream(of: (Int, WatchedChange).self)
            for (position, part) in found.parts.enumerated() {
                let stream = client.watch(
                    part.kind, name: part.names?.count == 1 ? part.names?.first : nil, selector: labels.selector,
                    since: part.resourceVersion, known: part.objects)
                tasks.addTask {
                    do {
                        for try await change in stream { mailbox.yield((position, change)) }
                        mailbox.finish()
                    } catch {
                        mailbox.finish(throwing: error)
                    }
                }
            }
            defer { tasks.cancelAll() }
            for try await (position, change) in changes {
                let part = found.parts[position]
                guard let (object, isGone) = change.object, part.names?.contains(object.name) != false else { continue }
                switch output.format {
                case .table, .wide: Output.write(try printer.row(object, part.kind, now: Date(), isGone: isGone))
                case let format: Output.write(try ObjectPrinter.printChange(object, as: format))
                }
            }
        }
    }
}

extension WatchedChange {
    /// The object of a change, and whether it went; nil for a bookmark.
    var object: (any AnyResource, isGone: Bool)? {
        switch self {
        case .added(let object), .modified(let object): (object, false)
        case .deleted(let object): (object, true)
        case .bookmark: nil
        }
    }
}
