import API
import ArgumentParser
import Resource

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Deletes objects, and waits until they are gone.",
        discussion: """
            A deleted object leaves when its controller has cleaned up after it (machines powered off, devices \
            removed) and its children are gone. Meanwhile plasma says what it waits on; when time runs out, why it is \
            not finished. The deletion itself goes on in the server.

            EXAMPLES
              plasma delete vm/web
              plasma delete nodes node01 node02 --wait=false
              plasma delete -f lab.yaml
              plasma delete disks -l tier=scratch

            EXIT CODES
              0    gone (with --wait=false: marked)
              1    not there, refused, or not gone in time
              130  interrupted
            """)

    @Argument(help: ArgumentHelp("KIND NAME… or KIND/NAME…; a kind alone with -l or --all.", valueName: "object")) var objects:
        [String] = []
    @OptionGroup var manifest: ManifestOptions
    @OptionGroup var labels: SelectorOptions
    @Flag(help: "Every object of the kind.") var all = false
    @Flag(inversion: .prefixedNo, help: "Wait until the objects are gone.") var wait = true
    @Option(help: ArgumentHelp("How long to wait at most: 90s, 10m, 1h30m; 0 for ever.", valueName: "time")) var timeout =
        Timeout(.seconds(300))
    @Flag(name: .customLong("ignore-not-found"), help: "An object that is not there is no error.") var ignoreNotFound = false
    @OptionGroup var connection: ConnectionOptions

    mutating func validate() throws {
        if objects.isEmpty == manifest.filenames.isEmpty {
            throw ValidationError("delete needs objects (KIND/NAME…) or manifests (-f FILE), and not both")
        }
    }

    func run() async throws {
        let selections = try selections()
        let terminal = connection.terminal
        try await connection.withClient(within: wait ? timeout.duration : nil) { client in
            let found = try await Listing.fetch(selections, selector: labels.selector, client: client)
            if found.count == 0, found.missing.isEmpty { Output.complain("No objects found.") }
            var missing = found.missing
            // What is refused holds up nothing else.
            var refused: [String] = []
            var leaving: [Reference] = []
            let chosen = Set(found.objects.map(\.reference))
            for part in Self.inOrder(found.parts) {
                for object in part.objects {
                    // It goes with its owner.
                    if let owner = object.metadata.owner, part.names == nil || chosen.contains(owner.reference) {
                        if !chosen.contains(owner.reference) { Output.complain("\(slug(object.reference)) belongs to \(owner.reference) and stays with it") }
                        continue
                    }
                    do {
                        let result = try await client.delete(
                            part.kind, object.name, uid: object.metadata.uid.isEmpty ? nil : object.metadata.uid)
                        if result.isGone {
                            Output.write("\(slug(result.reference)) deleted\n")
                        } else {
                            leaving.append(result.reference)
                        }
                    } catch ClientError.notFound(let reference) {
                        missing.append(reference)
                    } catch let error as ClientError {
                        guard let why = error.refusal else { throw error }
                        refused.append(why)
                    }
                }
            }
            if !ignoreNotFound { refused += missing.map { "\($0) is not there" } }
            if wait, !leaving.isEmpty {
                // Told at once: the wait may end in words of its own.
                for why in refused { Output.complain("plasma: \(why)") }
                try await Waiter(client: client, kinds: kinds, terminal: terminal).wait(
                    for: leaving.map { ($0, .absent) }, timeout: timeout.duration)
            }
            Output.write(leaving.map { "\(slug($0)) \(wait ? "deleted" : "is leaving")\n" }.joined())
            if wait, !leaving.isEmpty, !refused.isEmpty { throw ExitCode.failure }
            guard refused.isEmpty else { throw Failure(refused.joined(separator: "\nplasma: ")) }
        }
    }

    /// Nodes first: a certificate whose node is seen to stay is not revoked, as that would cut the node off.
    static func inOrder(_ parts: [Listing.Part]) -> [Listing.Part] {
        parts.filter { $0.kind.name == "Node" } + parts.filter { $0.kind.name != "Node" }
    }

    private func selections() throws -> [Selection] {
        guard manifest.filenames.isEmpty else {
            if all || labels.selector != nil { throw Failure("-f excludes -l and --all: what the manifests declare is deleted, and nothing is chosen among it") }
            let drafts = try manifest.load().sound(kinds)
            // What was declared last leaves first: it may stand on what came before.
            return try Selection.parse(drafts.reversed().map(\.reference.description), kinds: kinds)
        }
        let selections = try Selection.parse(objects, kinds: kinds)
        if labels.selector?.requirements.isEmpty == true { throw Failure("-l is empty, which would select everything; say --all if that is what is wanted") }
        if labels.selector == nil, !all, let whole = selections.first(where: { $0.names == nil }) {
            throw Failure(
                "\"\(objects.joined(separator: " "))\" names every object of a kind: name them, select with -l, or say --all, to delete \(whole.kind.plural)"
            )
        }
        if all || labels.selector != nil, selections.contains(where: { $0.names != nil }) {
            throw Failure("names exclude -l and --all: name the objects or select them")
        }
        return selections
    }
}
