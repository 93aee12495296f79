import Etcd
import Foundation
import GRPC
import NIOCore
import NIOPosix
import Synchronization

/// What clients in a closed loop got done.
struct Outcome: Sendable {
    var latencies = Histogram()
    var errors = 0
    var firstError: String?
    var seconds = 0.0

    var perSecond: Double { Double(latencies.count) / seconds }
}

/// Clients that send one request after the other, each as soon as the one before was answered. Many share a connection; one
/// thread serves them all, and finds its requests encoded.
final class ClosedLoop {
    private struct Call {
        var client: Int
        var round: Int
        var begun: ContinuousClock.Instant
        var hasAnswer = false
    }

    private let requests: [[UInt8]]
    private let loop = WireLoop()
    private var connections: [WireConnection] = []
    /// Under way, of each connection by its stream.
    private var calls: [[UInt32: Call]]
    private var outcome = Outcome()
    private var running = 0
    private let from: ContinuousClock.Instant
    private let until: ContinuousClock.Instant

    /// - Parameters:
    ///   - ports: of a connection each.
    ///   - requests: framed; every client takes them in an order of its own.
    static func run(
        _ method: String, ports: [Int], clients: Int, seconds: Double, requests: [[UInt8]]
    ) async throws -> Outcome {
        try await onThread {
            let loop = ClosedLoop(connections: ports.count, seconds: seconds, requests: requests)
            return try loop.run(method, ports, clients)
        }
    }

    /// Latencies of requests begun in the first tenth of the time are not counted.
    private init(connections: Int, seconds: Double, requests: [[UInt8]]) {
        self.requests = requests
        calls = Array(repeating: [:], count: connections)
        from = .now + .seconds(seconds / 10)
        until = from + .seconds(seconds)
        outcome.seconds = seconds
    }

    private func run(_ method: String, _ ports: [Int], _ clients: Int) throws -> Outcome {
        for (place, port) in ports.enumerated() {
            let connection = try WireConnection(
                port: port, method: method, message: { [unowned self] stream, _ in calls[place][stream]?.hasAnswer = true },
                ended: { [unowned self] stream, problem in ended(place, stream, problem) })
            connections.append(connection)
            loop.add(connection)
        }
        running = clients
        for client in 0..<clients { try send(client % ports.count, client, 0) }
        for connection in connections { try connection.flush() }
        try loop.run(until: { running == 0 })
        return outcome
    }

    private func send(_ place: Int, _ client: Int, _ round: Int) throws {
        let begun = ContinuousClock.now
        guard begun < until else { return running -= 1 }
        let stream = try connections[place].call(requests[Workload.place(client, round)])
        calls[place][stream] = Call(client: client, round: round, begun: begun)
    }

    private func ended(_ place: Int, _ stream: UInt32, _ problem: String?) {
        guard let call = calls[place].removeValue(forKey: stream) else { return }
        let now = ContinuousClock.now
        if let problem = problem ?? (call.hasAnswer ? nil : "the call ended without a message") {
            outcome.errors += 1
            outcome.firstError = outcome.firstError ?? problem
        } else if call.begun >= from, now < until {
            outcome.latencies.add(nanoseconds: (now - call.begun).nanoseconds)
        }
        do { try send(place, call.client, call.round + 1) } catch {
            outcome.errors += 1
            outcome.firstError = outcome.firstError ?? "\(error)"
            running -= 1
        }
    }
}

extension Duration {
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }

    var milliseconds: Double { Double(nanoseconds) / 1e6 }
}

/// Numbers handed out to many tasks.
final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    func take() -> Int { next.add(1, ordering: .acquiringAndReleasing).oldValue }
}

enum Method {
    static let put = "/etcdserverpb.KV/Put"
    static let range = "/etcdserverpb.KV/Range"
    static let txn = "/etcdserverpb.KV/Txn"
    static let watch = "/etcdserverpb.Watch/Watch"
    static let status = "/etcdserverpb.Maintenance/Status"
    static let moveLeader = "/etcdserverpb.Maintenance/MoveLeader"
}

/// What is not measured, as filling, goes over these loops.
let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

extension Cluster {
    /// Ports of so many connections, spread over all members, the leader's first.
    func ports(_ count: Int) -> [Int] { (0..<count).map { members[$0 % members.count].client } }

    /// Connections spread over all members.
    func connect(_ count: Int) async throws -> [GRPCClient] {
        var clients: [GRPCClient] = []
        for port in ports(count) { clients.append(try await GRPCClient.connect(host: "127.0.0.1", port: port, group: loops)) }
        return clients
    }

    /// Returns when every member answers a linearizable read.
    func waitUntilReady(within limit: Duration = .seconds(60)) async throws {
        let deadline = ContinuousClock.now + limit
        for member in members {
            while true {
                if let client = try? await GRPCClient.connect(host: "127.0.0.1", port: member.client, group: loops) {
                    var request = Etcdserverpb_RangeRequest()
                    request.key = Data("ready".utf8)
                    let answer: Etcdserverpb_RangeResponse? = try? await client.unary(Method.range, request, within: .seconds(2))
                    await client.close()
                    if answer != nil { break }
                }
                guard ContinuousClock.now < deadline else {
                    throw BenchFailure("\(product) \(member.name) did not answer within \(limit); see \(member.directory).log")
                }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    func leader() async throws -> Member {
        for _ in 0..<200 {
            for member in members {
                if let status = await status(of: member), status.leader != 0, status.leader == status.header.memberID { return member }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw BenchFailure("\(product) has no leader")
    }

    private func status(of member: Member) async -> Etcdserverpb_StatusResponse? {
        guard let client = try? await GRPCClient.connect(host: "127.0.0.1", port: member.client, group: loops) else { return nil }
        let status: Etcdserverpb_StatusResponse? = try? await client.unary(Method.status, Etcdserverpb_StatusRequest(), within: .seconds(2))
        await client.close()
        return status
    }

    /// Who leads is chance, and a single client next to the leader has its answers two messages sooner than one next to a follower:
    /// the first member leads in both products.
    func makeFirstLead() async throws {
        guard members.count > 1, let first = members.first else { return }
        for _ in 0..<50 {
            let leader = try await leader()
            if leader === first { return }
            guard let wanted = await status(of: first)?.header.memberID,
                let client = try? await GRPCClient.connect(host: "127.0.0.1", port: leader.client, group: loops)
            else { continue }
            let request = Etcdserverpb_MoveLeaderRequest.with { $0.targetID = wanted }
            let _: Etcdserverpb_MoveLeaderResponse? = try? await client.unary(Method.moveLeader, request, within: .seconds(5))
            await client.close()
        }
        throw BenchFailure("\(product)'s first member did not become its leader")
    }
}
