import ArgumentParser
import Logging
import Metrics

import class API.Exposition

struct ServerOptions: ParsableArguments {
    @Option(
        name: .customLong("data-dir"),
        help: ArgumentHelp(
            "Where everything is kept. Default: /var/lib/plasma for root, else $XDG_STATE_HOME/plasma.", valueName: "directory"),
        completion: .directory)
    var dataDirectory: String?

    @Option(help: ArgumentHelp("Serve HTTPS here as well, for remote use: 0.0.0.0:9443. Port 0 takes a free one.", valueName: "host:port"))
    var listen: String?

    @OptionGroup var store: RemoteStoreOptions

    @Option(name: .customLong("log-level"), help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel: String?

    func daemon(defaultLevel: Logger.Level) throws -> Daemon {
        var address: ListenAddress?
        if let listen {
            guard let given = ListenAddress(listen) else {
                throw Failure("--listen \"\(listen)\" is not host:port, as in 0.0.0.0:9443")
            }
            address = given
        }
        let exposition = try Telemetry.begin(logLevel, defaultLevel: defaultLevel)
        return Daemon(
            directory: try DataDirectory.current(option: dataDirectory), remoteStore: try store.remoteStore(), listen: address, logger: Logger(label: "plasma"),
            exposition: exposition)
    }
}

struct ServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server",
        abstract: "Runs the server: store, API and reconcile loops.",
        discussion: """
            Keeps the desired state in an embedded Chainfire below the data directory, serves the API on the Unix \
            socket plasma.sock there, and reconciles until SIGTERM or SIGINT. Virtual machines outlive it: a new start \
            finds the same processes again.

            With --store the desired state is kept in a Chainfire cluster or an etcd cluster (3.4 or later) instead: every key \
            begins with --store-prefix there, and no other is touched. What is in one store is not carried over to another.

            With --listen the API is served over HTTPS too. The CA certificate is api/ca.crt and the bearer token \
            api/token, both in the data directory: copy them to where you call from and name them with --ca-file \
            and --token-file, or in a context.

            A multicast or bridge network needs CAP_NET_ADMIN for the host's end of the segment: run as root, or use \
            networks of driver user.

            EXAMPLES
              plasma server
              plasma server --data-dir /srv/plasma --listen 0.0.0.0:9443
              plasma server --store https://10.0.0.1:2379,https://10.0.0.2:2379 --store-ca-file ca.crt

            EXIT CODES
              0  stopped by SIGTERM or SIGINT    1  could not start, or a part failed
            """)

    @OptionGroup var options: ServerOptions

    func run() async throws {
        try await options.daemon(defaultLevel: .info).run()
    }
}
