import Etcd
import Foundation
import GRPC
import NIOCore
import NIOPosix
import SwiftProtobuf
import Synchronization

/// What clients in a closed loop got done.
struct Outcome: Sendable {
    var latencies = Histogram()
    var errors = 0
    var firstError: GRPCStatus?
    var seconds = 0.0

    var perSecond: Double { Double(latencies.count) / seconds }
}

/// Clients that send one request after the other, each as soon as the one before was answered. Many share a connection.
final class ClosedLoop<Request: Message, Response: Message>: Sendable {
    private let method: String
    private let connections: [GRPCClient]
    private let make: @Sendable (_ client: Int, _ round: Int) -> Request
    /// One for each connection, whose callbacks come on one thread.
    private let tallies: [Tally]
    private let end = Mutex<(running: Int, done: CheckedContinuation<Void, Never>?)>((0, nil))

    private final class Tally: Sendable {
        let outcome = Mutex(Outcome())
    }

    init(_ method: String, _ connections: [GRPCClient], make: @escaping @Sendable (_ client: Int, _ round: Int) -> Request) {
        self.method = method
        self.connections = connections
        self.make = make
        tallies = connections.map { _ in Tally() }
    }

    /// Latencies of requests begun in the first tenth of the time are not counted.
    func run(clients: Int, seconds: Double) async -> Outcome {
        let start = ContinuousClock.now
        let from = start + .seconds(seconds / 10)
        let until = from + .seconds(seconds)
        end.withLock { $0.running = clients }
        await withCheckedContinuation { done in
            end.withLock { $0.done = done }
            for client in 0..<clients { send(client, 0, from, until) }
        }
        var sum = Outcome()
        for tally in tallies {
            tally.outcome.withLock { one in
                sum.latencies.add(one.latencies)
                sum.errors += one.errors
                sum.firstError = sum.firstError ?? one.firstError
            }
        }
        sum.seconds = seconds
        return sum
    }

    private func send(_ client: Int, _ round: Int, _ from: ContinuousClock.Instant, _ until: ContinuousClock.Instant) {
        let begun = ContinuousClock.now
        guard begun < until else {
            let done = end.withLock { end -> CheckedContinuation<Void, Never>? in
                end.running -= 1
                return end.running == 0 ? end.done : nil
            }
            done?.resume()
            return
        }
        let place = client % connections.count
        connections[place].unary(method, make(client, round)) { [self] (result: Result<Response, GRPCStatus>) in
            let now = ContinuousClock.now
            tallies[place].outcome.withLock { outcome in
                switch result {
                case .success: if begun >= from, now < until { outcome.latencies.add(nanoseconds: (now - begun).nanoseconds) }
                case .failure(let status):
                    outcome.errors += 1
                    outcome.firstError = outcome.firstError ?? status
                }
            }
            send(client, round + 1, from, until)
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

/// One task that waits for another.
final class Waiting: Sendable {
    private let continuation = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func wait(_ one: CheckedContinuation<Void, Never>) { continuation.withLock { $0 = one } }
    func resume() { continuation.withLock { $0.take() }?.resume() }
}

enum Method {
    static let put = "/etcdserverpb.KV/Put"
    static let range = "/etcdserverpb.KV/Range"
    static let txn = "/etcdserverpb.KV/Txn"
    static let watch = "/etcdserverpb.Watch/Watch"
    static let status = "/etcdserverpb.Maintenance/Status"
}

/// The load's own event loops, for all clusters the same.
let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

extension Cluster {
    /// Connections spread over all members.
    func connect(_ count: Int) async throws -> [GRPCClient] {
        var clients: [GRPCClient] = []
        for at in 0..<count {
            clients.append(try await GRPCClient.connect(host: "127.0.0.1", port: members[at % members.count].client, group: loops))
        }
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
                guard let client = try? await GRPCClient.connect(host: "127.0.0.1", port: member.client, group: loops) else { continue }
                let status: Etcdserverpb_StatusResponse? = try? await client.unary(Method.status, Etcdserverpb_StatusRequest(), within: .seconds(2))
                await client.close()
                if let status, status.leader != 0, status.leader == status.header.memberID { return member }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw BenchFailure("\(product) has no leader")
    }
}
