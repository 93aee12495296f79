import API
import ArgumentParser
import Resource

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Waits until objects are as wanted.",
        discussion: """
            --for is one of
              condition=Ready        the condition is True for the spec as it stands now;
                                     this is the default
              condition=Ready=False  the condition has another status
              delete                 the object is gone
              jsonpath={.status.phase}=Ready
                                     the value is this text; without =TEXT, any

            On a terminal, shows a live line for each object. When time runs out, or nothing more will happen by \
            itself, says which object is not as wanted and why.

            EXAMPLES
              plasma wait node/node01 --timeout 5m
              plasma wait nodes --for=condition=Ready
              plasma wait vm/web --for=delete
              plasma wait vm/web --for=jsonpath='{.status.starts}'=2

            EXIT CODES
              0    as wanted
              1    not in time, or it never will be
              130  interrupted
            """)

    @Argument(help: ArgumentHelp("KIND [NAME…] or KIND/NAME….", valueName: "object")) var objects: [String] = []
    @Option(
        name: .customLong("for"), help: ArgumentHelp("What to wait for.", valueName: "goal"),
        transform: { try WaitGoal.parse($0) })
    var goal: Progress.Goal = .condition(type: "Ready", status: "True")
    @OptionGroup var labels: SelectorOptions
    @Option(help: ArgumentHelp("How long to wait at most: 90s, 10m, 1h30m; 0 for ever.", valueName: "time")) var timeout =
        Timeout(.seconds(30))
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let selections = try Selection.parse(objects, kinds: kinds)
        try labels.refuse(beside: selections)
        let terminal = connection.terminal
        try await connection.withClient(within: timeout.duration) { client in
            var references: [Reference] = []
            for selection in selections {
                if let names = selection.names {
                    references += names.map { Reference(kind: selection.kind.name, name: $0) }
                } else {
                    let found = try await Listing.fetch([selection], selector: labels.selector, client: client)
                    references += found.objects.map(\.reference)
                }
            }
            if references.isEmpty {
                if goal == .absent { return }
                throw Failure("nothing to wait for: no object of \(objects.joined(separator: " ")) is there")
            }
            try await Waiter(client: client, kinds: kinds, terminal: terminal)
                .wait(for: references.map { ($0, goal) }, timeout: timeout.duration)
        }
    }
}

/// What `--for` may be.
enum WaitGoal {
    static func parse(_ text: String) throws -> Progress.Goal {
        if text == "delete" { return .absent }
        if text.hasPrefix("condition=") {
            let parts = text.dropFirst("condition=".count).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map(String.init)
            guard !parts[0].isEmpty else { throw Failure("--for=\(text) names no condition: write condition=Ready") }
            let status = parts.count == 2 ? parts[1] : "True"
            guard ["true", "false", "unknown"].contains(status.lowercased()) else {
                throw Failure("--for=\(text): \"\(status)\" is not True, False or Unknown")
            }
            return .condition(type: parts[0], status: status)
        }
        if text.hasPrefix("jsonpath=") {
            let rest = text.dropFirst("jsonpath=".count)
            let end =
                rest.first == "{"
                ? rest.lastIndex(of: "}").map(rest.index(after:)) ?? rest.endIndex : rest.firstIndex(of: "=") ?? rest.endIndex
            let path = try JSONPath(String(rest[..<end]))
            guard path.parts.count == 1, case .path = path.parts[0] else {
                throw Failure("--for=\(text): wait for one path, such as {.status.phase}")
            }
            let tail = rest[end...]
            guard tail.isEmpty || tail.hasPrefix("=") else {
                throw Failure("--for=\(text): after the path comes =TEXT, not \"\(tail)\"")
            }
            return .jsonPath(path, tail.isEmpty ? nil : String(tail.dropFirst()))
        }
        throw Failure("--for=\(text) is not condition=TYPE, delete or jsonpath={PATH}=TEXT")
    }
}
