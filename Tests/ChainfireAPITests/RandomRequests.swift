import Etcd
import Foundation
import GRPC
import SwiftProtobuf

/// Requests drawn from a seed over a few keys, so that they meet each other.
struct RandomRequests {
    enum Request: CustomStringConvertible {
        case range(Etcdserverpb_RangeRequest), put(Etcdserverpb_PutRequest), delete(Etcdserverpb_DeleteRangeRequest)
        case txn(Etcdserverpb_TxnRequest), compact(Etcdserverpb_CompactionRequest), grant(Etcdserverpb_LeaseGrantRequest)
        case revoke(Etcdserverpb_LeaseRevokeRequest)

        var message: any Message {
            switch self {
            case .range(let message): message
            case .put(let message): message
            case .delete(let message): message
            case .txn(let message): message
            case .compact(let message): message
            case .grant(let message): message
            case .revoke(let message): message
            }
        }

        var isTransaction: Bool { if case .txn = self { true } else { false } }
        var description: String { "\(type(of: message)) " + ((try? message.jsonString()) ?? "?") }

        /// The answer without ids and terms, or the refusal.
        func answer(_ client: GRPCClient) async -> String {
            switch self {
            case .range(let message):
                await text(client, "KV/Range", message, Etcdserverpb_RangeResponse.self) { $0.header.anonymous() }
            case .put(let message): await text(client, "KV/Put", message, Etcdserverpb_PutResponse.self) { $0.header.anonymous() }
            case .delete(let message):
                await text(client, "KV/DeleteRange", message, Etcdserverpb_DeleteRangeResponse.self) { $0.header.anonymous() }
            case .txn(let message): await text(client, "KV/Txn", message, Etcdserverpb_TxnResponse.self) { $0.header.anonymous() }
            case .compact(let message):
                await text(client, "KV/Compact", message, Etcdserverpb_CompactionResponse.self) { $0.header.anonymous() }
            case .grant(let message):
                await text(client, "Lease/LeaseGrant", message, Etcdserverpb_LeaseGrantResponse.self) { $0.header.anonymous() }
            case .revoke(let message):
                await text(client, "Lease/LeaseRevoke", message, Etcdserverpb_LeaseRevokeResponse.self) { $0.header.anonymous() }
            }
        }

        private func text<Q: Message, A: Message>(
            _ client: GRPCClient, _ method: String, _ request: Q, _: A.Type, _ strip: (inout A) -> Void
        ) async -> String {
            do throws(GRPCStatus) {
                var answer: A = try await client.unary("/etcdserverpb." + method, request, within: .seconds(20))
                strip(&answer)
                return (try? answer.jsonString()) ?? "?"
            } catch {
                return "\(error.code) \(error.message)"
            }
        }
    }

    private var dice: Dice
    private var revisions: Int64 = 2

    init(seed: UInt64) { dice = Dice(state: seed) }

    mutating func next() -> Request {
        revisions += 1
        return switch dice.roll(20) {
        case 0..<5: .put(put())
        case 5..<9: .range(range())
        case 9..<12: .delete(delete())
        case 12..<17: .txn(txn(depth: 2))
        // Before anything is compacted etcd takes a compaction at 0, Chainfire never.
        case 17: .compact(.with { $0.revision = Int64(1 + dice.roll(Int(revisions))) })
        case 18: .grant(.with {
            $0.id = Int64(1 + dice.roll(3))
            $0.ttl = 1000
        })
        default: .revoke(.with { $0.id = Int64(1 + dice.roll(3)) })
        }
    }

    /// Now and then none.
    private mutating func key() -> Data { dice.roll(30) == 0 ? Data() : Data([UInt8(ascii: "a") + UInt8(dice.roll(6))]) }
    private mutating func end() -> Data {
        switch dice.roll(4) {
        case 0: Data([0])
        case 1: Data([UInt8(ascii: "a") + UInt8(dice.roll(7))])
        default: Data()
        }
    }

    private mutating func put() -> Etcdserverpb_PutRequest {
        var put = Etcdserverpb_PutRequest()
        put.key = key()
        put.value = Data("v\(dice.roll(4))".utf8)
        if dice.roll(4) == 0 { put.lease = Int64(dice.roll(4)) }
        put.prevKv = dice.roll(2) == 0
        if dice.roll(8) == 0 {
            put.ignoreValue = true
            // Where both the key and the lease are missing, etcd's put and its transactions differ in which they name.
            put.lease = 0
            if dice.roll(3) > 0 { put.value = Data() }
        }
        if dice.roll(8) == 0 {
            put.ignoreLease = true
            if dice.roll(3) > 0 { put.lease = 0 }
        }
        return put
    }

    private mutating func range() -> Etcdserverpb_RangeRequest {
        var range = Etcdserverpb_RangeRequest()
        range.key = key()
        range.rangeEnd = end()
        if dice.roll(3) == 0 { range.limit = Int64(dice.roll(4)) }
        if dice.roll(3) == 0 { range.revision = Int64(dice.roll(Int(revisions))) }
        range.countOnly = dice.roll(8) == 0
        range.keysOnly = dice.roll(8) == 0
        range.serializable = dice.roll(4) == 0
        // Entries that sort alike come in any order from etcd: only sort by what is unique.
        if dice.roll(4) == 0 {
            range.sortOrder = .init(rawValue: dice.roll(3)) ?? .none
            range.sortTarget = .key
        }
        if dice.roll(6) == 0 { range.minModRevision = Int64(dice.roll(Int(revisions))) }
        if dice.roll(6) == 0 { range.maxModRevision = Int64(dice.roll(Int(revisions))) }
        if dice.roll(6) == 0 { range.minCreateRevision = Int64(dice.roll(Int(revisions))) }
        if dice.roll(6) == 0 { range.maxCreateRevision = Int64(dice.roll(Int(revisions))) }
        return range
    }

    private mutating func delete() -> Etcdserverpb_DeleteRangeRequest {
        var delete = Etcdserverpb_DeleteRangeRequest()
        delete.key = key()
        delete.rangeEnd = end()
        delete.prevKv = dice.roll(2) == 0
        return delete
    }

    private mutating func txn(depth: Int) -> Etcdserverpb_TxnRequest {
        var txn = Etcdserverpb_TxnRequest()
        for _ in 0..<dice.roll(3) { txn.compare.append(compare()) }
        txn.success = branch(depth)
        txn.failure = branch(depth)
        return txn
    }

    /// With one transaction within it at most: where one beside another deletes what that one puts, etcd looks only for the later one's
    /// puts, Chainfire for both.
    private mutating func branch(_ depth: Int) -> [Etcdserverpb_RequestOp] {
        var (branch, depth) = ([Etcdserverpb_RequestOp](), depth)
        for _ in 0..<dice.roll(4) {
            branch.append(operation(depth))
            if case .requestTxn = branch.last?.request { depth = 0 }
        }
        return branch
    }

    private mutating func operation(_ depth: Int) -> Etcdserverpb_RequestOp {
        var operation = Etcdserverpb_RequestOp()
        switch dice.roll(depth > 0 ? 8 : 7) {
        case 0..<3: operation.request = .requestPut(put())
        case 3..<5: operation.request = .requestRange(range())
        case 5..<7:
            var delete = delete()
            // etcd's overlap check does not see a delete of everything from a key on, ours does.
            if delete.rangeEnd == Data([0]) { delete.rangeEnd = Data("e".utf8) }
            operation.request = .requestDeleteRange(delete)
        default: operation.request = .requestTxn(txn(depth: depth - 1))
        }
        return operation
    }

    private mutating func compare() -> Etcdserverpb_Compare {
        var compare = Etcdserverpb_Compare()
        compare.key = key()
        compare.rangeEnd = end()
        compare.result = .init(rawValue: dice.roll(4)) ?? .equal
        switch dice.roll(6) {
        case 0: (compare.target, compare.targetUnion) = (.version, .version(Int64(dice.roll(4))))
        case 1: (compare.target, compare.targetUnion) = (.create, .createRevision(Int64(dice.roll(Int(revisions)))))
        case 2: (compare.target, compare.targetUnion) = (.mod, .modRevision(Int64(dice.roll(Int(revisions)))))
        case 3: (compare.target, compare.targetUnion) = (.value, .value(Data("v\(dice.roll(4))".utf8)))
        case 4: (compare.target, compare.targetUnion) = (.lease, .lease(Int64(dice.roll(4))))
        default: (compare.target, compare.targetUnion) = (.value, nil)
        }
        return compare
    }
}

extension String {
    /// Answers are JSON objects.
    var isRefusal: Bool { !hasPrefix("{") }
}

extension Etcdserverpb_ResponseHeader {
    mutating func anonymous() {
        clusterID = 0
        memberID = 0
        raftTerm = 0
    }
}

/// SplitMix64.
struct Dice {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(sides))
    }
}
