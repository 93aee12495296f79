import API
import ArgumentParser
import Resource

enum DryRun: String, CaseIterable, ExpressibleByArgument, Sendable { case none, server }

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Declares the objects of manifests; the server brings the world to them.",
        discussion: """
            Reads all manifests, reports every problem at once, and writes the objects. For each it says created, \
            configured or unchanged; pruned for those that --prune removed.

            Who applied an object first manages it: another --field-manager is refused unless --force-conflicts.

            With --wait, shows how each object comes along until all are ready. When time runs out, or nothing more will happen by \
            itself, it says which object is stuck and why.

            EXAMPLES
              plasma apply -f lab.yaml
              plasma apply -f manifests/ --wait --timeout 15m
              plasma apply -f lab.yaml --dry-run=server
              plasma apply -f lab.yaml --prune        delete what lab.yaml no longer names

            EXIT CODES
              0  applied (and ready, with --wait)
              1  invalid, refused, not reached, or not ready in time
            """)

    @OptionGroup var manifest: ManifestOptions
    @Flag(inversion: .prefixedNo, help: "Wait until the objects are ready.") var wait = false
    @Option(help: ArgumentHelp("How long to wait at most: 90s, 10m, 1h30m; 0 for ever.", valueName: "time")) var timeout =
        Timeout(.seconds(600))
    @Option(
        name: .customLong("dry-run"),
        help: ArgumentHelp("server: say what would happen and write nothing.", valueName: "none|server")) var dryRun = DryRun.none
    @Flag(help: "Delete what this field manager once applied and the manifests no longer name.") var prune = false
    @Option(name: .customLong("field-manager"), help: ArgumentHelp("In whose name the objects are applied.", valueName: "name"))
    var fieldManager = "plasma"
    @Flag(name: .customLong("force-conflicts"), help: "Take over objects of other field managers.") var forceConflicts = false
    @OptionGroup var connection: ConnectionOptions

    mutating func validate() throws { try manifest.requireSome(for: "apply") }

    func run() async throws {
        let files = try manifest.load()
        _ = try files.sound(kinds)
        let options = ApplyOptions(dryRun: dryRun == .server, prune: prune, fieldManager: fieldManager, force: forceConflicts)
        let terminal = connection.terminal
        try await connection.withClient { client in
            let limit = min(timeout.duration ?? .seconds(120), .seconds(120))
            let result = try await files.asking { try await client.apply($0, options: options, within: wait ? limit : .seconds(120)) }
            Output.write(ApplyText.render(result))
            guard wait, !result.dryRun else { return }
            try await Waiter(client: client, kinds: kinds, terminal: terminal)
                .wait(for: ApplyText.goals(result, reconciled: reconciledKinds), timeout: timeout.duration)
        }
    }
}

/// What `apply` says and what it then waits for.
enum ApplyText {
    /// `node/node01 created`
    static func render(_ result: ApplyResult) -> String {
        result.objects.map { "\(slug($0.reference)) \($0.action.rawValue)\(result.dryRun ? " (server dry run)" : "")\n" }.joined()
    }

    static func goals(_ result: ApplyResult, reconciled: Set<String>) -> [(reference: Reference, goal: Progress.Goal)] {
        result.objects.filter { reconciled.contains($0.kind) }.map { ($0.reference, $0.action == .pruned ? .absent : .ready) }
    }
}
