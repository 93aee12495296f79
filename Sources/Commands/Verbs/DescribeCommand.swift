import ArgumentParser
import Foundation
import Resource

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Shows an object and why it is as it is.",
        discussion: """
            One page for each object: what it is, its spec and status, where it stands, the cause, the attempt and \
            the next try, what it waits on followed from object to object to the root cause, its children, and \
            recent events.

            EXAMPLES
              plasma describe node/node01
              plasma describe disks -l tier=db

            EXIT CODES
              0  shown
              1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND [NAME…] or KIND/NAME….", valueName: "object")) var objects: [String] = []
    @OptionGroup var labels: SelectorOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let selections = try Selection.parse(objects, kinds: kinds)
        try labels.refuse(beside: selections)
        let isColored = connection.terminal.isColored
        try await connection.withClient { client in
            let found = try await Listing.fetch(selections, selector: labels.selector, client: client)
            let world = found.count > 0 ? try await Listing.world(client: client) : [:]
            for (position, object) in found.objects.enumerated() {
                let description = Description(
                    object: object, world: world, events: try await client.events(about: object.reference),
                    reconciled: reconciledKinds,
                    now: Date())
                Output.write((position > 0 ? "\n\n" : "") + (try description.text(isColored: isColored)))
            }
            _ = try found.orMissing()
            if found.count == 0 { Output.complain("No objects found.") }
        }
    }
}
