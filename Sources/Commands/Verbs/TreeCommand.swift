import ArgumentParser
import Foundation
import Resource

struct TreeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree",
        abstract: "Draws objects below their owners, with status.",
        discussion: """
            An object stands below its owner; networks, nodes and services stand below the Cluster that names them.

            EXAMPLES
              plasma tree                    everything
              plasma tree cluster/lab
              plasma tree node/node01

            EXIT CODES
              0  drawn
              1  the object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND/NAME… or KIND NAME…; everything when absent.", valueName: "object")) var objects:
        [String] = []
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let roots =
            objects.isEmpty
            ? nil : try Selection.parseNamed(objects, kinds: kinds).map { Reference(kind: $0.kind.name, name: $0.name) }
        let isColored = connection.terminal.isColored
        try await connection.withClient { client in
            let world = try await Listing.world(client: client)
            let tree = Tree(Array(world.values), reconciled: reconciledKinds, now: Date())
            if let missing = roots?.first(where: { world[$0] == nil }) { throw Failure("\(missing) is not there") }
            if world.isEmpty { Output.complain("No objects found.") }
            let lines =
                roots.map { $0.flatMap { tree.lines(from: $0, isColored: isColored) } }
                ?? (world.isEmpty ? [] : tree.lines(isColored: isColored))
            Output.write(lines.map { $0 + "\n" }.joined())
        }
    }
}
