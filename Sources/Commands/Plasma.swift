import API
import ArgumentParser
import Foundation
import Manifest

/// `plasma`: every verb, and the one place where errors become text and exit codes.
package struct Plasma: AsyncParsableCommand {
    package static let version = "0.1.0"

    /// The verbs that run the daemon, and those that have verbs of their own.
    private static let serverVerbs: [any ParsableCommand.Type] = [ServerCommand.self, UpCommand.self, ChainfireCommand.self, AuthorityCommand.self]

    package static let configuration = CommandConfiguration(
        commandName: "plasma",
        abstract: "One manifest, real machines: declares, brings up and watches over clusters.",
        discussion: """
            plasma reads objects (nodes, networks, disks, virtual machines, services, certificates) from YAML \
            manifests, keeps them in its own store, and brings the world to what they say, again and again.

            EXAMPLES
              plasma up -f manifests/demo.yaml   run a server here, and apply
              plasma apply -f lab.yaml --wait    apply, and wait until all is ready
              plasma get nodes -o wide -w        watch the nodes
              plasma describe node/node01        why is it not ready?
              plasma diff -f lab.yaml            has anything drifted?

            OBJECTS are named KIND NAME or KIND/NAME; kinds in any case, singular, plural or short (no, vm, net).

            ENVIRONMENT
              PLASMA_SERVER      the server, as --server
              XDG_STATE_HOME     where the data directory plasma/ is, unless root
              XDG_CONFIG_HOME    where contexts are (plasma/contexts/NAME.yaml)
              NO_COLOR           no colour

            EXIT CODES
              0    done
              1    not done: the message says what and why
              130  interrupted
              diff has its own: see plasma help diff.
            """,
        version: version,
        subcommands: [
            ApplyCommand.self, DiffCommand.self, GetCommand.self, DescribeCommand.self, TreeCommand.self, TimelineCommand.self, WaitCommand.self,
            DeleteCommand.self, EventsCommand.self, LogsCommand.self, ConsoleCommand.self, AnnotateCommand.self, SuspendCommand.self,
            ResumeCommand.self,
            ReconcileCommand.self, EditCommand.self, ValidateCommand.self, ExplainCommand.self, RenderCommand.self,
            VersionCommand.self, CompletionCommand.self, FirstBootCommand.self,
        ] + serverVerbs)

    package init() {}

    /// Runs one command line to its end, and the process with it.
    package static func start(_ written: [String]) async -> Never {
        var verb: String?
        do {
            let names = configuration.subcommands.map { $0._commandName }
            let invocation = try Invocation(written, verbs: names)
            verb = invocation.verb
            var command = try parseAsRoot(invocation.arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Foundation.exit(0)
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let code = exitCode(for: error)
            if code == .success {
                Output.write(ObjectPrinter.terminated(fullMessage(for: error)))
                Foundation.exit(0)
            }
            Output.complain(Complaint.text(error) ?? usage(error))
            Foundation.exit(Complaint.exitCode(verb: verb, arguments: written))
        }
    }

    /// ArgumentParser's own words, with our name in front.
    private static func usage(_ error: any Error) -> String {
        let text = fullMessage(for: error)
        return "plasma: " + (text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text)
    }
}

/// How errors are told.
enum Complaint {
    /// nil for errors of the command line itself, which ArgumentParser words.
    static func text(_ error: any Error) -> String? {
        switch error {
        case let error as Failure: "plasma: \(error)"
        case let error as InvalidManifest: "\(error)\nplasma: \(error.sum)"
        case ClientError.invalid(let problems): text(InvalidManifest(problems: problems))
        case ClientError.unreachable(_, let why):
            "plasma: \(why)\nAnother server is named with --server, --context or --data-dir."
        case ClientError.forbidden(let why): "plasma: not allowed: \(why)"
        case let error as ClientError: "plasma: \(error)"
        case let error as JSONPathProblem: "plasma: \(error)"
        case is CancellationError: "plasma: interrupted"
        case let error as NSError where error.domain == NSCocoaErrorDomain || error.domain == NSPOSIXErrorDomain:
            "plasma: \(error.localizedDescription)"
        default: nil
        }
    }

    /// 1, but 2 for `diff`, whose 1 means differences, unless Terraform's codes were asked for.
    static func exitCode(verb: String?, arguments: [String]) -> Int32 {
        verb == "diff" && !arguments.contains("--detailed-exitcode") ? 2 : 1
    }
}
