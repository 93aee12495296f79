import Foundation
import Store

/// How etcd writes a range: no end is the one key, an end of one zero byte is everything from the key on.
struct WireRange {
    var key: Data
    var end: Data

    init(_ range: KeyRange) {
        // etcd refuses an empty key; no key is before a single zero byte.
        key = range.lower.bytes.isEmpty ? Data([0]) : Data(range.lower.bytes)
        switch range.upper {
        case nil: end = Data([0])
        case let upper? where upper.bytes == range.lower.bytes + [0] && !range.lower.bytes.isEmpty: end = Data()
        case let upper? where upper.bytes.count <= 1 && (upper.bytes.first ?? 0) == 0:
            // Nothing is before it, but etcd would read it as "no end" or "to the end".
            key = Data([1])
            end = Data([0, 0])
        case let upper?: end = Data(upper.bytes)
        }
    }
}

extension KeyRange {
    var isEmpty: Bool { upper.map { $0 <= lower } ?? false }
}

extension Etcdserverpb_RangeRequest {
    init(_ request: RangeRequest) {
        self.init()
        let wire = WireRange(request.range)
        key = wire.key
        rangeEnd = wire.end
        revision = max(0, request.revision ?? 0)
        limit = Int64(request.limit)
        countOnly = request.countOnly
        keysOnly = request.keysOnly
        minModRevision = request.minMod
        maxModRevision = request.maxMod
        minCreateRevision = request.minCreate
        maxCreateRevision = request.maxCreate
        if let sort = request.sort {
            sortOrder = sort.order == .ascending ? .ascend : .descend
            sortTarget = switch sort.target {
            case .key: .key
            case .version: .version
            case .createRevision: .create
            case .modRevision: .mod
            case .value: .value
            }
        }
    }
}

extension Etcdserverpb_Compare {
    init(_ compare: Compare) {
        self.init()
        if let range = compare.range {
            let wire = WireRange(range)
            key = wire.key
            rangeEnd = wire.end
        } else {
            key = Data(compare.key.bytes)
        }
        result = switch compare.relation {
        case .equal: .equal
        case .greater: .greater
        case .less: .less
        case .notEqual: .notEqual
        }
        switch compare.target {
        case .version(let wanted): (target, targetUnion) = (.version, .version(wanted))
        case .createRevision(let wanted): (target, targetUnion) = (.create, .createRevision(wanted))
        case .modRevision(let wanted): (target, targetUnion) = (.mod, .modRevision(wanted))
        case .value(let wanted): (target, targetUnion) = (.value, .value(Data(wanted)))
        case .lease(let wanted): (target, targetUnion) = (.lease, .lease(wanted))
        }
    }
}

extension Etcdserverpb_RequestOp {
    init(_ operation: StoreOperation) {
        self.init()
        switch operation {
        case .put(let key, let value, let lease):
            request = .requestPut(.with {
                $0.key = Data(key.bytes)
                $0.value = Data(value)
                $0.lease = lease
                $0.prevKv = true
            })
        case .amend(let key, let value, let lease):
            request = .requestPut(.with {
                $0.key = Data(key.bytes)
                $0.value = Data(value ?? [])
                $0.ignoreValue = value == nil
                $0.lease = lease ?? 0
                $0.ignoreLease = lease == nil
                $0.prevKv = true
            })
        case .delete(let range):
            let wire = WireRange(range)
            request = .requestDeleteRange(.with {
                $0.key = wire.key
                $0.rangeEnd = wire.end
                $0.prevKv = true
            })
        case .range(let range): request = .requestRange(Etcdserverpb_RangeRequest(range))
        case .transaction(let inner): request = .requestTxn(Etcdserverpb_TxnRequest(inner))
        }
    }
}

extension Etcdserverpb_TxnRequest {
    init(_ transaction: Transaction) {
        self.init()
        compare = transaction.compares.map { Etcdserverpb_Compare($0) }
        success = transaction.then.map { Etcdserverpb_RequestOp($0) }
        failure = transaction.otherwise.map { Etcdserverpb_RequestOp($0) }
    }
}
