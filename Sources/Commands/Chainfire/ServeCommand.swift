import ArgumentParser
import Foundation
import Logging
import Manifest

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs one member of a Chainfire cluster.",
        discussion: """
            The file is YAML or JSON; flags go before it. A cluster begins when all members of initial_peers are started, \
            in any order, each with the same list and `bootstrap: true`. Later members have `bootstrap: false`, the \
            leader_url of any member and the join token: they enter as learners, catch up, and become voters by \
            themselves. A directory that holds a member already stays that member, whatever bootstrap says.

            Certificates are read anew when their files change. SIGTERM hands leadership over first.

            PlasmaCloud's cluster-config.json (node_id, bootstrap, initial_peers, leader_url) is understood as it is: keys \
            of other services are ignored with a notice. What it lacks comes from flags.

            KEYS OF THE FILE
            \(MemberConfiguration.keysText)

            EXAMPLES
              plasma chainfire serve --config node01.yaml
              plasma chainfire serve --data-dir ./store                 one member, plain text on loopback
              plasma chainfire serve --config /etc/cluster-config.json --data-dir /var/lib/chainfire

            EXIT CODES
              0  stopped by SIGTERM or SIGINT    1  could not start, or failed
            """)

    @Option(help: ArgumentHelp("YAML or JSON, see below.", valueName: "file"), completion: .file(extensions: ["yaml", "yml", "json"]))
    var config: String?
    @OptionGroup var flags: MemberFlags
    @Option(name: .customLong("log-level"), help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel: String?

    func run() async throws {
        let configuration = try MemberConfiguration.load(config, flags: flags)
        let exposition = try Telemetry.begin(logLevel, defaultLevel: .info)
        let logger = Logger(label: "chainfire")
        for notice in configuration.notices { logger.warning("\(notice)") }
        try await MemberProcess(configuration: configuration, exposition: exposition, logger: logger).run()
    }
}

extension MemberConfiguration {
    /// - Parameter path: nil: only flags.
    static func load(_ path: String?, flags: MemberFlags) throws -> MemberConfiguration {
        guard let path else {
            do {
                return try read(
                    nil, file: "", flags: flags, directory: FileManager.default.currentDirectoryPath, hostName: Daemon.hostName())
            } catch let error as InvalidManifest {
                // There is no file whose lines could be named.
                throw Failure(error.problems.map { "\($0.path): \($0.message)" }.joined(separator: "\nplasma: ") + "\nplasma: give it as a flag, or a file with --config")
            }
        }
        let (bytes, problem) = YAML.readFile(path)
        if let problem { throw Failure("--config \(path): \(problem.message)") }
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        return try read(
            bytes, file: path, flags: flags.absolute(FileManager.default.currentDirectoryPath),
            directory: (absolute as NSString).deletingLastPathComponent, hostName: Daemon.hostName())
    }
}
