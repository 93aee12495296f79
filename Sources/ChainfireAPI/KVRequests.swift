import Etcd
import struct Foundation.Data
import GRPC
import Store

/// From etcd's messages to the store's requests.
extension KeyRange {
    /// etcd's way to write a range: no end is one key, an end of one zero byte is everything from the
    /// key on (etcd v3 API, "Key ranges"). An end that is not after the key is an empty range.
    init(key: Data, end: Data) {
        let lower = Key([UInt8](key))
        if end.isEmpty {
            self = .single(lower)
        } else if end.count == 1, end.first == 0 {
            self.init(lower: lower, upper: nil)
        } else {
            self.init(lower: lower, upper: max(lower, Key([UInt8](end))))
        }
    }
}

extension RangeRequest {
    init(_ message: Etcdserverpb_RangeRequest) {
        self.init(
            KeyRange(key: message.key, end: message.rangeEnd), at: message.revision > 0 ? message.revision : nil,
            limit: Int(max(0, message.limit)), countOnly: message.countOnly, keysOnly: message.keysOnly)
        minMod = max(0, message.minModRevision)
        maxMod = max(0, message.maxModRevision)
        minCreate = max(0, message.minCreateRevision)
        maxCreate = max(0, message.maxCreateRevision)
        sort = RangeRequest.Sort(message)
    }
}

extension RangeRequest.Sort {
    /// nil is key order. A target without an order sorts ascending, as in etcd.
    init?(_ message: Etcdserverpb_RangeRequest) {
        let target: Target
        switch message.sortTarget {
        case .key, .UNRECOGNIZED: target = .key
        case .version: target = .version
        case .create: target = .createRevision
        case .mod: target = .modRevision
        case .value: target = .value
        }
        switch message.sortOrder {
        case .descend: self.init(.descending, by: target)
        case .ascend, .none, .UNRECOGNIZED:
            guard target != .key else { return nil }
            self.init(.ascending, by: target)
        }
    }
}

extension Operation {
    init(_ message: Etcdserverpb_PutRequest) {
        let key = Key([UInt8](message.key))
        if message.ignoreValue || message.ignoreLease {
            self = .amend(
                key, value: message.ignoreValue ? nil : [UInt8](message.value),
                lease: message.ignoreLease ? nil : message.lease)
        } else {
            self = .put(key, [UInt8](message.value), lease: message.lease)
        }
    }

    init(_ message: Etcdserverpb_RequestOp) {
        switch message.request {
        case .requestPut(let put): self.init(put)
        case .requestRange(let range): self = .range(RangeRequest(range))
        case .requestDeleteRange(let delete): self = .delete(KeyRange(key: delete.key, end: delete.rangeEnd))
        case .requestTxn(let inner): self = .transaction(Transaction(inner))
        case nil: preconditionFailure("an empty operation passed the check")
        }
    }
}

extension Transaction {
    /// Of a message that was checked.
    init(_ message: Etcdserverpb_TxnRequest) {
        self.init(
            if: message.compare.map(Compare.init), then: message.success.map(Operation.init),
            otherwise: message.failure.map(Operation.init))
    }
}

extension Compare {
    /// A target whose value was not given compares with zero, as etcd does.
    init(_ message: Etcdserverpb_Compare) {
        let relation: Relation
        switch message.result {
        case .equal, .UNRECOGNIZED: relation = .equal
        case .greater: relation = .greater
        case .less: relation = .less
        case .notEqual: relation = .notEqual
        }
        let target: Target
        switch message.target {
        case .version, .UNRECOGNIZED: target = .version(message.version)
        case .create: target = .createRevision(message.createRevision)
        case .mod: target = .modRevision(message.modRevision)
        case .value: target = .value([UInt8](message.value))
        case .lease: target = .lease(message.lease)
        }
        self.init(Key([UInt8](message.key)), relation, target)
        if !message.rangeEnd.isEmpty { range = KeyRange(key: message.key, end: message.rangeEnd) }
    }
}
