import API
import ArgumentParser
import Foundation

/// Which server a verb speaks with: the options, the environment and the files they name.
package struct Connection: Hashable, Sendable {
    package var server: String
    package var caFile: String?
    package var tokenFile: String?

    /// The first of: `--server`, `--context`, `--data-dir`, `PLASMA_SERVER`, the default data
    /// directory. `--server` beside `--context` keeps the context's credentials.
    package init(options: ConnectionOptions, environment: [String: String], isRoot: Bool) throws {
        let context = try options.context.map { try Context.load($0, environment: environment) }
        if let server = options.server {
            self.server = server
        } else if let context {
            server = context.server
        } else if options.dataDirectory == nil, let server = environment["PLASMA_SERVER"], !server.isEmpty {
            self.server = server
        } else {
            server =
                "unix://" + (try DataDirectory(option: options.dataDirectory, environment: environment, isRoot: isRoot)).socket
        }
        caFile = options.caFile ?? context?.caFile
        tokenFile = options.tokenFile ?? context?.tokenFile
    }

    package func endpoint() throws -> Endpoint {
        try Endpoint(
            server, caPEM: try caFile.map { try text(of: $0, "CA certificate") },
            token: try tokenFile.map { file in
                let token = try text(of: file, "token").trimmingCharacters(in: .whitespacesAndNewlines)
                // Nothing of it is told: it may be a secret all the same.
                guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                    throw Failure("\(file) holds no bearer token: that is one line of printable characters without spaces")
                }
                return token
            })
    }

    private func text(of file: String, _ what: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw Failure("the \(what) \(file) cannot be read: is it there, and yours to read?")
        }
        return String(decoding: data, as: UTF8.self)
    }
}

/// The options that say where the server is.
package struct ConnectionOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "The server: unix:///path/plasma.sock or https://host:port. Default: $PLASMA_SERVER, or the socket in the data directory.",
            valueName: "address"))
    package var server: String?

    @Option(help: ArgumentHelp("A server by name, from $XDG_CONFIG_HOME/plasma/contexts/NAME.yaml.", valueName: "name"))
    package var context: String?

    @Option(
        name: .customLong("data-dir"),
        help: ArgumentHelp(
            "The data directory whose socket is used. Default: /var/lib/plasma for root, else $XDG_STATE_HOME/plasma.",
            valueName: "directory"), completion: .directory)
    package var dataDirectory: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("PEM file of the CA that the server's certificate is checked against.", valueName: "file"),
        completion: .file())
    package var caFile: String?

    @Option(
        name: .customLong("token-file"), help: ArgumentHelp("File that holds the bearer token.", valueName: "file"),
        completion: .file())
    package var tokenFile: String?

    @Flag(name: .customLong("no-color"), help: "No colour. So does NO_COLOR, and output that is not a terminal.")
    package var noColor = false

    package init() {}

    package func connection() throws -> Connection {
        try Connection(options: self, environment: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
    }

    /// Speaks with the server and hangs up after; Ctrl-C ends the process meanwhile.
    /// - Parameter limit: how long one answer may take, where that is less than a minute.
    func withClient<T: Sendable>(within limit: Duration? = nil, _ body: (Client) async throws -> T) async throws -> T {
        Interrupt.endsTheProcess()
        let client = try Client(try connection().endpoint(), patience: min(limit ?? .seconds(60), .seconds(60)))
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }

    var terminal: Terminal { Terminal.standard(noColor: noColor) }
}
