import Etcd
import GRPC
import Store

/// What etcd refuses before it looks at the store, in etcd's order (etcd `api/v3rpc/key.go`).
extension Etcdserverpb_RangeRequest {
    func check() throws(GRPCStatus) {
        if key.isEmpty { throw .emptyKey }
        if case .UNRECOGNIZED = sortOrder { throw .invalidSortOption }
        if case .UNRECOGNIZED = sortTarget { throw .invalidSortOption }
    }
}

extension Etcdserverpb_PutRequest {
    func check() throws(GRPCStatus) {
        if key.isEmpty { throw .emptyKey }
        if ignoreValue, !value.isEmpty { throw .valueProvided }
        if ignoreLease, lease != 0 { throw .leaseProvided }
    }
}

extension Etcdserverpb_DeleteRangeRequest {
    func check() throws(GRPCStatus) {
        if key.isEmpty { throw .emptyKey }
    }
}

extension Etcdserverpb_TxnRequest {
    /// A nested transaction may have as many operations as its parent left over.
    func check(operationsMax: Int = Transaction.operationsMax) throws(GRPCStatus) {
        let operations = max(compare.count, success.count, failure.count)
        guard operations <= operationsMax else { throw .tooManyOperations }
        if compare.contains(where: \.key.isEmpty) { throw .emptyKey }
        for operation in success { try operation.check(operationsMax: operationsMax - operations) }
        for operation in failure { try operation.check(operationsMax: operationsMax - operations) }
    }
}

extension Etcdserverpb_TxnRequest {
    /// Whether it asks for nothing but what this member has (etcd `isTxnSerializable`).
    var isSerializable: Bool { (success + failure).allSatisfy { $0.requestRange.serializable } }
}

extension Etcdserverpb_RequestOp {
    fileprivate func check(operationsMax: Int) throws(GRPCStatus) {
        switch request {
        case .requestRange(let range): try range.check()
        case .requestPut(let put): try put.check()
        case .requestDeleteRange(let delete): try delete.check()
        case .requestTxn(let inner): try inner.check(operationsMax: operationsMax)
        // etcd's own answer to an operation that says nothing.
        case nil: throw .keyNotFound
        }
    }
}
