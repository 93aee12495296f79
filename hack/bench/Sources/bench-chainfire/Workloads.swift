import Etcd
import Foundation
import GRPC
import Synchronization

/// 10,000 keys of 20 bytes and values of 256, as incompressible as text.
enum Workload {
    static let keys = 10_000
    static let value = Data((0..<256).map { (at: Int) -> UInt8 in UInt8(97 + (at * 7 + at / 26) % 26) })

    static func key(_ client: Int, _ round: Int) -> Data {
        // Spreads clients and rounds over the keys without a generator's lock.
        let mixed: UInt64 = UInt64(client) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(round) &* 0xBF58_476D_1CE4_E5B9
        return key(Int((mixed >> 20) % UInt64(keys)))
    }

    static func key(_ number: Int) -> Data {
        let digits = String(number)
        return Data("/bench/key/\(String(repeating: "0", count: 9 - digits.count))\(digits)".utf8)
    }

    static func put(_ client: Int, _ round: Int) -> Etcdserverpb_PutRequest {
        var request = Etcdserverpb_PutRequest()
        request.key = key(client, round)
        request.value = value
        return request
    }

    static func range(serializable: Bool) -> @Sendable (Int, Int) -> Etcdserverpb_RangeRequest {
        { client, round in
            var request = Etcdserverpb_RangeRequest()
            request.key = key(client, round)
            request.serializable = serializable
            return request
        }
    }

    static func txn(_ client: Int, _ round: Int) -> Etcdserverpb_TxnRequest {
        var compare = Etcdserverpb_Compare()
        compare.key = key(client, round)
        compare.target = .mod
        compare.result = .greater
        compare.modRevision = 0
        var write = Etcdserverpb_RequestOp()
        write.requestPut = put(client, round)
        var read = Etcdserverpb_RequestOp()
        read.requestRange = range(serializable: false)(client, round + 1)
        var request = Etcdserverpb_TxnRequest()
        request.compare = [compare]
        request.success = [write, read]
        request.failure = [write]
        return request
    }

    /// Every key once.
    static func fill(_ cluster: Cluster) async throws {
        let connections = try await cluster.connect(3)
        let next = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<100 {
                group.addTask {
                    while true {
                        let number = next.take()
                        guard number < keys else { return }
                        var request = Etcdserverpb_PutRequest()
                        request.key = key(number)
                        request.value = value
                        let _: Etcdserverpb_PutResponse = try await connections[worker % connections.count].unary(Method.put, request)
                    }
                }
            }
            try await group.waitForAll()
        }
        for connection in connections { await connection.close() }
    }
}
