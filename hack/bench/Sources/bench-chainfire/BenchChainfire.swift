import Etcd
import Foundation
import GRPC

@main
struct BenchChainfire {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.contains("--help") || arguments.contains("-h") { return print(Options.usage) }
        do {
            try await Bench(try Options(arguments)).run()
        } catch {
            say("\(error)")
            exit(1)
        }
    }
}

/// Runs the rows and keeps the figures in the order in which they were first told.
final class Bench {
    private let options: Options
    private let programs: Programs
    private let folder: String
    private var rows: [Row] = []

    init(_ options: Options) throws {
        self.options = options
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
        let programs = Programs(etcd: options.etcd, plasma: own + "/plasma")
        self.programs = programs
        for program in options.products.map(programs.path) where !FileManager.default.isExecutableFile(atPath: program) {
            throw BenchFailure("\(program) is missing\(program == programs.etcd ? ": apt-get install etcd-server" : "")")
        }
        folder = options.directory + "/chainfire"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func run() async throws {
        for nodes in options.nodes where !Set(options.rows).isDisjoint(with: ["put", "range", "txn", "watch", "fanout", "memory"]) { try await load(nodes) }
        if options.rows.contains("failover") { try await failovers() }
        if options.rows.contains("restart") { try await restarts() }
        print(Row.header)
        for row in rows { print(row.markdown) }
        if options.rows.contains("put") {
            let alone = try syncAlone(folder)
            print("\nThe least that a durable write of one client costs: 256 bytes and fdatasync, nothing else: p50 \(figure(alone.at(0.5))) ms, p99 \(figure(alone.at(0.99))) ms.")
        }
        if options.rows.contains("watch") {
            let alone = try syncAlone(folder, count: 1_000, perSecond: watchedPutsPerSecond)
            print("\nThe least that a durable write costs \(watchedPutsPerSecond) times a second, as in the rows of watch latency: p50 \(figure(alone.at(0.5))) ms, p99 \(figure(alone.at(0.99))) ms.")
        }
        guard let path = options.json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(rows).write(to: URL(fileURLWithPath: path))
    }

    private func add(_ product: Product, _ value: Double, _ row: Row) {
        if !rows.contains(where: { $0.row == row.row && $0.nodes == row.nodes }) { rows.append(row) }
        for at in rows.indices where rows[at].row == row.row && rows[at].nodes == row.nodes { rows[at].add(product, value) }
        say("\(row.nodes) node\(row.nodes == 1 ? "" : "s"), \(row.row), \(product.rawValue): \(figure(value)) \(row.unit)")
    }

    /// Both products are up; a figure of one is followed by the same of the other, and the first of a pair changes by turns. What is
    /// measured begins when neither has anything left to do from before.
    private func load(_ nodes: Int) async throws {
        var clusters: [Product: Cluster] = [:]
        for product in options.products {
            let cluster = try Cluster(product, size: nodes, in: folder, programs)
            try cluster.start()
            try await cluster.waitUntilReady()
            try await Workload.fill(cluster)
            try await cluster.makeFirstLead()
            clusters[product] = cluster
        }
        func byTurns(_ body: (Cluster) async throws -> Void) async throws {
            for round in 0..<options.rounds {
                for product in round % 2 == 0 ? options.products : options.products.reversed() {
                    guard let cluster = clusters[product] else { continue }
                    for cluster in clusters.values { try await cluster.rest() }
                    try await body(cluster)
                }
            }
        }
        for row in options.rows {
            switch row {
            case "put":
                let requests = try Workload.encoded(Workload.put)
                for clients in options.clients {
                    guard clients == 1, nodes > 1 else {
                        try await byTurns {
                            try await self.closed("put, \(clients) client\(clients == 1 ? "" : "s")", nodes, $0, clients, Method.put, requests)
                        }
                        continue
                    }
                    for (member, place) in ["the leader", "a follower"].enumerated() {
                        try await byTurns {
                            try await self.closed("put, 1 client at \(place)", nodes, $0, 1, at: member, Method.put, requests)
                        }
                    }
                }
            case "range":
                for clients in options.clients where clients > 1 {
                    for serializable in [false, true] {
                        let requests = try Workload.encoded(Workload.range(serializable: serializable))
                        try await byTurns {
                            try await self.closed(
                                "\(serializable ? "serializable" : "linearizable") range, \(clients) clients", nodes, $0, clients, Method.range, requests)
                        }
                    }
                }
            case "txn":
                let requests = try Workload.encoded(Workload.txn)
                try await byTurns { try await self.closed("txn, 100 clients", nodes, $0, 100, Method.txn, requests) }
            case "watch":
                try await byTurns { cluster in
                    let found = try await watchLatency(cluster, seconds: self.options.seconds)
                    self.add(cluster.product, found.at(0.5), Row("watch latency p50", nodes: nodes, "ms", isMoreBetter: false))
                    self.add(cluster.product, found.at(0.99), Row("watch latency p99", nodes: nodes, "ms", isMoreBetter: false, aim: 2))
                }
            case "fanout":
                try await byTurns { cluster in
                    let found = try await fanOut(cluster)
                    self.add(cluster.product, found.at(0.5), Row("event at the last of 1,000 watchers, p50", nodes: nodes, "ms", isMoreBetter: false, aim: 1.5))
                }
            case "memory":
                for product in options.products {
                    guard let cluster = clusters[product] else { continue }
                    for member in cluster.members { add(product, member.residentMB, Row("resident memory", nodes: nodes, "MB", isMoreBetter: false, aim: 1)) }
                }
            default: break
            }
        }
        for cluster in clusters.values { cluster.end() }
    }

    private func closed(
        _ name: String, _ nodes: Int, _ cluster: Cluster, _ clients: Int, at member: Int? = nil, _ method: String, _ requests: [[UInt8]]
    ) async throws {
        let ports = member.map { [cluster.members[$0].client] } ?? cluster.ports(min(clients, max(nodes, clients / 10)))
        let before = cluster.processorSeconds
        let outcome = try await ClosedLoop.run(method, ports: ports, clients: clients, seconds: options.seconds, requests: requests)
        let used = cluster.processorSeconds - before
        if let error = outcome.firstError { say("\(name), \(cluster.product.rawValue): \(outcome.errors) errors, the first: \(error)") }
        add(cluster.product, outcome.perSecond, Row(name, nodes: nodes, "per second", isMoreBetter: true, aim: 1.5))
        add(cluster.product, outcome.latencies.at(0.5), Row("\(name): p50", nodes: nodes, "ms", isMoreBetter: false))
        add(cluster.product, outcome.latencies.at(0.99), Row("\(name): p99", nodes: nodes, "ms", isMoreBetter: false, aim: 2))
        // The first tenth is not counted as requests, but was worked for.
        let each = used * 1e6 / max(1, outcome.perSecond * outcome.seconds * 1.1)
        add(cluster.product, each, Row("\(name): servers' processor time a request", nodes: nodes, "µs", isMoreBetter: false))
    }

    private func failovers() async throws {
        for product in options.products {
            let cluster = try Cluster(product, size: 3, in: folder, programs)
            try cluster.start()
            try await cluster.waitUntilReady()
            for _ in 0..<max(5, options.rounds) {
                add(product, try await failover(cluster), Row("leader SIGKILL to first write", nodes: 3, "ms", isMoreBetter: false))
            }
            cluster.end()
        }
    }

    private func restarts() async throws {
        for product in options.products {
            let cluster = try Cluster(product, size: 1, in: folder, programs)
            try cluster.start()
            try await cluster.waitUntilReady()
            try await fillForRestart(cluster, gigabytes: options.gigabytes)
            for _ in 0..<options.rounds {
                add(product, try await restart(cluster), Row("restart with \(figure(options.gigabytes)) GB", nodes: 1, "s", isMoreBetter: false, aim: 1))
            }
            add(product, cluster.members[0].residentMB, Row("resident memory after that restart", nodes: 1, "MB", isMoreBetter: false))
            cluster.end()
        }
    }
}
