import API
import ArgumentParser
import Manifest
import Resource

struct VersionCommand: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Prints the versions of this program and of the server.",
        discussion: """
            EXIT CODES
              0  printed, even when there is no server
            """)

    @Flag(help: "Only this program's version; no server is asked.") var client = false
    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp("text or json.", valueName: "format"))
    var format = Format.text
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let own = VersionInfo(version: Plasma.version)
        var server: VersionInfo?
        var why = ""
        if !client {
            do {
                server = try await connection.withClient { try await $0.version() }
            } catch ClientError.unreachable(let endpoint, let reason) {
                why = "not reached at \(endpoint): \(reason)"
            } catch {
                why = "not asked: \(error)"
            }
        }
        switch format {
        case .text:
            Output.write("plasma \(own.version) (\(own.platform), \(own.apiVersion))\n")
            if !client { Output.write("server \(server.map { "\($0.version) (\($0.platform), \($0.apiVersion))" } ?? why)\n") }
        case .json:
            var document = JSON.object(["client": try JSON(parsing: try Wire.encode(own))])
            if let server { document["server"] = try JSON(parsing: try Wire.encode(server)) }
            if !why.isEmpty { document["serverError"] = .string(why) }
            Output.write(ObjectPrinter.terminated(ObjectPrinter.text(document)))
        }
    }
}
