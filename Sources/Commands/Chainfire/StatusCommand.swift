import ArgumentParser
import Etcd
import GRPC
import Manifest

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows what each member says of itself.",
        discussion: """
            Asks every endpoint by itself: version, size, term, indexes, who leads, and what is wrong.

            EXAMPLES
              plasma chainfire status --endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 --ca-file ca.crt
              plasma chainfire status -o json

            EXIT CODES
              0  all answered    1  one did not, or has something to complain about
            """)

    @OptionGroup var endpoints: EndpointOptions
    @OptionGroup var output: PlainOutputOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let answers = await (try endpoints.client()).askEach(Calls.status, Etcdserverpb_StatusRequest())
        var table = Table(header: ["ENDPOINT", "ID", "VERSION", "ROLE", "TERM", "INDEX", "APPLIED", "REVISION", "SIZE", "IN USE", "ERRORS"])
        var items: [JSON] = []
        var isWell = true
        for (endpoint, answer) in answers {
            switch answer {
            case .success(let message):
                let status = MemberStatus(message)
                let role = status.isLearner ? "learner" : status.leader == status.id ? "leader" : status.leader == 0 ? "no leader" : "voter"
                if !status.errors.isEmpty || status.leader == 0 { isWell = false }
                table.add([
                    Table.Cell("\(endpoint)"), Table.Cell(hex(status.id)), Table.Cell(status.version), Table.Cell(role),
                    Table.Cell("\(status.term)"), Table.Cell("\(status.index)"), Table.Cell("\(status.applied)"),
                    Table.Cell("\(status.revision)"), Table.Cell(Self.size(status.bytes)), Table.Cell(Self.size(status.bytesInUse)),
                    Table.Cell(status.errors.joined(separator: "; ")),
                ])
                items.append(["endpoint": .string("\(endpoint)"), "status": status.json])
            case .failure(let error):
                isWell = false
                table.add([Table.Cell("\(endpoint)")] + Array(repeating: "-", count: 9) + [Table.Cell(error.message)])
                items.append(["endpoint": .string("\(endpoint)"), "error": .string(error.message)])
            }
        }
        output.write(["members": .array(items)]) { table.take().joined(separator: "\n") }
        if !isWell { throw ExitCode(1) }
    }

    /// "12.5 MiB": a measured size, for a glance.
    static func size(_ bytes: Int64) -> String {
        var amount = Double(bytes)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if amount < 1024 { return unit == "B" ? "\(bytes) B" : "\(Double(Int((amount * 10).rounded())) / 10) \(unit)" }
            amount /= 1024
        }
        return "\(Double(Int((amount * 10).rounded())) / 10) TiB"
    }
}

struct DefragCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "defrag",
        abstract: "Gives free space back to the filesystem, one member after the other.",
        discussion: """
            Each endpoint rewrites its database; the others serve meanwhile, and it goes on answering reads. Needs as much \
            free space as the database holds. Where one does not answer in time, those after it are not asked.

            EXAMPLES
              plasma chainfire defrag --endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 --timeout 5m

            EXIT CODES
              0  done at all of them    1  one failed
            """)

    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        let cluster = try endpoints.client()
        var failures: [String] = []
        for endpoint in cluster.endpoints {
            do throws(GRPCStatus) {
                _ = try await cluster.ask(endpoint, Calls.defragment, Etcdserverpb_DefragmentRequest())
                Output.write("\(endpoint) defragmented\n")
            } catch {
                failures.append("\(endpoint): \(error.message)")
                if error.isUnwritten || ClusterClient.isRefusal(error) { continue }
                let rest = cluster.endpoints.drop { $0 != endpoint }.dropFirst().map(\.scalarText)
                failures.append("it may go on there: see that it has ended\(rest.isEmpty ? "" : ", then go on with \(rest.joined(separator: ",")): two members at once could stop a cluster")")
                break
            }
        }
        if !failures.isEmpty { throw Failure(failures.joined(separator: "\nplasma: ")) }
    }
}
