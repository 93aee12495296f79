import Etcd
import Foundation
import GRPC
import SwiftProtobuf
import Synchronization

/// 10,000 keys of 20 bytes and values of 256, as incompressible as text.
enum Workload {
    static let keys = 10_000
    static let value = Data((0..<256).map { (at: Int) -> UInt8 in UInt8(97 + (at * 7 + at / 26) % 26) })

    /// Spreads clients and rounds over the keys without a generator's lock.
    static func place(_ client: Int, _ round: Int) -> Int {
        let mixed: UInt64 = UInt64(client) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(round) &* 0xBF58_476D_1CE4_E5B9
        return Int((mixed >> 20) % UInt64(keys))
    }

    static func key(_ number: Int) -> Data {
        let digits = String(number)
        return Data("/bench/key/\(String(repeating: "0", count: 9 - digits.count))\(digits)".utf8)
    }

    static func put(_ number: Int) -> Etcdserverpb_PutRequest {
        var request = Etcdserverpb_PutRequest()
        request.key = key(number)
        request.value = value
        return request
    }

    static func range(serializable: Bool) -> (Int) -> Etcdserverpb_RangeRequest {
        { number in
            var request = Etcdserverpb_RangeRequest()
            request.key = key(number)
            request.serializable = serializable
            return request
        }
    }

    static func txn(_ number: Int) -> Etcdserverpb_TxnRequest {
        var compare = Etcdserverpb_Compare()
        compare.key = key(number)
        compare.target = .mod
        compare.result = .greater
        compare.modRevision = 0
        var write = Etcdserverpb_RequestOp()
        write.requestPut = put(number)
        var read = Etcdserverpb_RequestOp()
        read.requestRange = range(serializable: false)((number + 3_571) % keys)
        var request = Etcdserverpb_TxnRequest()
        request.compare = [compare]
        request.success = [write, read]
        request.failure = [write]
        return request
    }

    /// One request for every key, as it goes over the wire.
    static func encoded(_ make: (Int) -> some Message) throws -> [[UInt8]] {
        try (0..<keys).map { framed(try make($0).serializedBytes()) }
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
                        let _: Etcdserverpb_PutResponse = try await connections[worker % connections.count].unary(Method.put, put(number))
                    }
                }
            }
            try await group.waitForAll()
        }
        for connection in connections { await connection.close() }
    }
}
