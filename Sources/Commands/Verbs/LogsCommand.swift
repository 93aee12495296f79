import API
import ArgumentParser
import Resource

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Prints the serial console of a machine, or the log of an installation.",
        discussion: """
            Without a kind, a virtual machine of that name is meant; a node means its virtual machine. Of an
            installation the latest run's log is printed; with -f also that of the next one.

            EXAMPLES
              plasma logs node01 --tail 50
              plasma logs vm/web -f
              plasma logs installation/node01 -f

            EXIT CODES
              0    printed
              1    not there, no log yet, or the server was not reached
              130  interrupted
            """)

    @Argument(help: ArgumentHelp("[vm/|node/|installation/]NAME.", valueName: "object")) var object: String
    @Flag(name: .shortAndLong, help: "Go on as more is written, until interrupted.") var follow = false
    @Option(help: ArgumentHelp("Only so many of the last lines.", valueName: "lines")) var tail: Int?
    @OptionGroup var connection: ConnectionOptions

    mutating func validate() throws {
        if let tail, tail < 0 { throw ValidationError("--tail \(tail) is negative: give a number of lines") }
    }

    func run() async throws {
        try await connection.withClient { client in
            let object = try await find(client)
            try await Output.following {
                for try await bytes in client.log(object.reference, follow: follow, tailLines: tail) { Output.write(bytes) }
            }
        }
    }
}

extension LogsCommand {
    private func find(_ client: Client) async throws -> any AnyResource {
        if object.contains("/"), case let (kind, name) = try Selection.reference(object, kinds: kinds), kind.name == "Installation" {
            guard let installation = try await client.get(kind, name) else {
                throw Failure("\(kind.name)/\(name) is not there: see plasma get installations")
            }
            return installation
        }
        return try await Machine.find(object, client: client)
    }
}

/// Finds the virtual machine that a person means by a name or a reference.
enum Machine {
    /// - Throws: `Failure` naming what is not there.
    static func find(_ word: String, client: Client) async throws -> any AnyResource {
        guard let machines = kinds["VirtualMachine"], let nodes = kinds["Node"] else {
            preconditionFailure("the catalog has neither VirtualMachine nor Node")
        }
        let named: (kind: AnyKind, name: String)? = word.contains("/") ? try Selection.reference(word, kinds: kinds) : nil
        let name = named?.name ?? word
        if let kind = named?.kind, kind.name != machines.name, kind.name != nodes.name {
            throw Failure("\(kind.name)/\(name) has no console: name a virtual machine or a node")
        }
        // A node's virtual machine is its child of the same name.
        if let machine = try await client.get(machines, name) { return machine }
        if named?.kind.name != machines.name, let node = try await client.get(nodes, name) { return node }
        throw Failure("\(named?.kind.name ?? machines.name)/\(name) is not there: see plasma get vm,nodes")
    }
}
