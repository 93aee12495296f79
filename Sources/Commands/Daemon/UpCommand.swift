import API
import ArgumentParser
import Host
import Kinds
import Resource

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Runs the server in the foreground and applies manifests at once.",
        discussion: """
            The same as `plasma server` with `plasma apply --wait` beside it. Once everything is ready it goes on \
            reconciling until Ctrl-C. Virtual machines keep running after that; `plasma up` finds them again.

            EXAMPLES
              plasma up -f manifests/demo.yaml
              plasma up -f lab.yaml --data-dir ./state --timeout 15m

            EXIT CODES
              0  stopped by Ctrl-C or SIGTERM    1  invalid manifest, could not start, or not ready in time
            """)

    @OptionGroup var manifest: ManifestOptions
    @Option(help: ArgumentHelp("How long everything may take to be ready: 90s, 2h; 0 for ever. Three machines that install NixOS take a quarter of an hour and more.", valueName: "time"))
    var timeout = Timeout(.seconds(3600))
    @Flag(name: .customLong("no-color"), help: "No colour. So does NO_COLOR, and output that is not a terminal.") var noColor = false
    @OptionGroup(title: "Server") var options: ServerOptions

    mutating func validate() throws { try manifest.requireSome(for: "up") }

    func run() async throws {
        let files = try manifest.load()
        _ = try files.sound(kinds)
        let daemon = try options.daemon(defaultLevel: .warning)
        let socket = daemon.directory.socket
        let terminal = Terminal.standard(noColor: noColor)
        try await daemon.run { [timeout] in
            let client = try Client(.unix(socket))
            do {
                try await Self.apply(files, client, terminal, timeout)
                await client.close()
            } catch {
                await client.close()
                throw error
            }
        }
    }

    private static func apply(
        _ files: ManifestFiles, _ client: Client, _ terminal: Terminal, _ timeout: Timeout
    ) async throws {
        try await reach(client)
        let result = try await files.asking { try await client.apply($0) }
        Output.write(ApplyText.render(result))
        try await Waiter(client: client, kinds: kinds, terminal: terminal)
            .wait(for: ApplyText.goals(result, reconciled: Catalog.reconciled), timeout: timeout.duration)
        Output.write("ready; Ctrl-C stops the server, and machines keep running\n")
    }

    /// The server needs a moment to open its socket.
    private static func reach(_ client: Client) async throws {
        let time = SystemTime()
        let deadline = time.now() + .seconds(30)
        while true {
            do {
                let missing = try await client.unreadiness()
                if missing.isEmpty { return }
                if time.now() >= deadline { throw Failure("the server does not become ready: \(missing.joined(separator: "; "))") }
            } catch let error as ClientError {
                guard case .unreachable = error, time.now() < deadline else { throw error }
            }
            try await time.sleep(for: .milliseconds(50))
        }
    }
}
