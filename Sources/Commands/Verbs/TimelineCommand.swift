import API
import ArgumentParser
import Foundation
import Manifest
import Resource

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline",
        abstract: "Shows how long each node took from the manifest to health, and how much of it was plasma's.",
        discussion: """
            The latest installation of each node, cut into stretches by what the server recorded. A stretch is the \
            guest's as long as the guest has something to do: firmware, boot loader, kernel, installer (with all \
            that it does over SSH), reboot, services. What is left is ours: until the machine is started, from the \
            installer's report until its run is started, and from the end of the first boot until the node was \
            seen healthy. While a machine boots from the network, what its requests waited for the boot servers, \
            from each one in hand to the first byte of its answer sent, is ours and taken from the guest's.

            How exact that is: the manifest's time is a whole second, rounded down, and what that adds counts as \
            ours. An installer's phases are read in its log once a second. The node's own moments (kernel, SSH, first \
            boot) are reckoned back from its uptime when it is looked at, and may be late by the end of that SSH \
            session. Members of a cluster wait for each other in their first boot, which counts as the guest's. \
            A first boot is told once a node was looked at after its end (within 15 seconds).

            EXAMPLES
              plasma timeline                   every node that was installed
              plasma timeline node01 node02
              plasma timeline -o json

            EXIT CODES
              0  shown
              1  a node is not there or has no installation, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("Names of nodes; all that have an installation when absent.", valueName: "node")) var nodes: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isColored = connection.terminal.isColored
        try await connection.withClient { client in
            let world = try await Listing.world(client: client)
            let names = nodes.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
            let all = world.keys.filter { $0.kind == "Node" }.map(\.name).sorted()
            var text = TimelineText(runs: [])
            for name in names.isEmpty ? all : names {
                guard all.contains(name) else { throw Failure("Node/\(name) is not there") }
                if let run = try RunTimeline(node: name, world: world) {
                    text.runs.append(run)
                } else if !names.isEmpty {
                    throw Failure("Node/\(name) has no installation; one is made when it has spec.system")
                }
            }
            if text.runs.isEmpty { Output.complain("No node was installed.") }
            text.formed = try await formed(text.runs, world, client)
            Output.write(try draw(text, isColored))
        }
    }

    private func draw(_ text: TimelineText, _ isColored: Bool) throws -> String {
        switch output.format {
        case .table, .wide: text.runs.isEmpty ? "" : text.table(isColored: isColored).map { $0 + "\n" }.joined()
        case .name: text.runs.map { "node/\($0.node)\n" }.joined()
        case .json: ObjectPrinter.terminated(ObjectPrinter.text(text.json))
        case .yaml: ObjectPrinter.terminated(text.json.yaml())
        case .jsonPath(let path): path.evaluate(text.json) + "\n"
        }
    }

    /// Clusters all of whose nodes are shown, and when each was first told to be Ready after the last of them had ended.
    private func formed(_ runs: [RunTimeline], _ world: [Reference: any AnyResource], _ client: Client) async throws -> [TimelineText.Formed] {
        var formed: [TimelineText.Formed] = []
        for (reference, cluster) in world.sorted(by: { $0.key < $1.key }) where reference.kind == "Cluster" && cluster.isReady {
            let members = try cluster.json()["spec"]?["nodes"]?.array?.compactMap(\.string) ?? []
            let own = runs.filter { members.contains($0.node) && $0.isComplete }
            guard !own.isEmpty, own.count == members.count, let ended = own.compactMap(\.ended).max() else { continue }
            let events = try await client.events(about: reference).filter { $0.reason == "Ready" }.map { Moment($0.firstTimestamp) }
            // Events are told in whole seconds.
            let whole = Moment(milliseconds: ended.milliseconds / 1000 * 1000)
            if let ready = events.filter({ $0 >= whole }).min() { formed.append(TimelineText.Formed(cluster: reference.name, ready: ready)) }
        }
        return formed
    }
}
