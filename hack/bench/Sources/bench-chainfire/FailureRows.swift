import Etcd
import Foundation
import GRPC
import Synchronization

/// Kills the leader and gives the time until a write that was sent to another member after the kill was acknowledged,
/// in milliseconds. Open loop: a write every five milliseconds to each of the others, whether the last was answered or not.
func failover(_ cluster: Cluster) async throws -> Double {
    let leader = try await cluster.leader()
    let others = cluster.members.filter { $0 !== leader }
    var clients: [GRPCClient] = []
    for member in others { clients.append(try await GRPCClient.connect(host: "127.0.0.1", port: member.client, group: loops)) }
    let first = Mutex<(start: ContinuousClock.Instant, found: Double?)>((.now, nil))
    let start = ContinuousClock.now
    first.withLock { $0.start = start }
    leader.signal(SIGKILL)
    var number = 0
    while first.withLock({ $0.found }) == nil {
        guard ContinuousClock.now - start < .seconds(30) else { throw BenchFailure("\(cluster.product) took no write for 30 s after its leader was killed") }
        for client in clients {
            var request = Etcdserverpb_PutRequest()
            request.key = Data("/bench/failover/\(number % 100)".utf8)
            request.value = Workload.value
            client.unary(Method.put, request, within: .seconds(30)) { (result: Result<Etcdserverpb_PutResponse, GRPCStatus>) in
                guard case .success = result else { return }
                let now = ContinuousClock.now
                first.withLock { if $0.found == nil { $0.found = (now - $0.start).milliseconds } }
            }
        }
        number += 1
        try await Task.sleep(until: start + .milliseconds(5 * number), clock: .continuous)
    }
    for client in clients { await client.close() }
    leader.end()
    try cluster.start(leader)
    try await cluster.waitUntilReady()
    // The one that came back has caught up before the next is killed.
    try await Task.sleep(for: .seconds(2))
    return first.withLock { $0.found } ?? .nan
}

/// Fills a single node with values, stops it by SIGTERM, and gives the seconds from its start to the first answered read.
func fillForRestart(_ cluster: Cluster, gigabytes: Double) async throws {
    let connections = try await cluster.connect(4)
    let size = 16 << 10
    let count = Int(gigabytes * 1e9) / size
    let next = Counter()
    let value = Data((0..<size).map { (at: Int) -> UInt8 in UInt8(truncatingIfNeeded: at &* 31 &+ (at >> 8)) })
    try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<64 {
            group.addTask {
                while true {
                    let number = next.take()
                    guard number < count else { return }
                    var request = Etcdserverpb_PutRequest()
                    request.key = Data(String(format: "/bench/big/%09d", number).utf8)
                    request.value = value
                    let _: Etcdserverpb_PutResponse = try await connections[worker % 4].unary(Method.put, request)
                }
            }
        }
        try await group.waitForAll()
    }
    for connection in connections { await connection.close() }
}

func restart(_ cluster: Cluster) async throws -> Double {
    let member = cluster.members[0]
    member.signal(SIGTERM)
    member.process?.waitUntilExit()
    let start = ContinuousClock.now
    try cluster.start(member)
    try await cluster.waitUntilReady(within: .seconds(120))
    return (ContinuousClock.now - start).milliseconds / 1000
}
