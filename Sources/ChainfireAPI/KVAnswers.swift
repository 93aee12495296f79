import Chainfire
import Etcd
import struct Foundation.Data
import GRPC
import Store

/// From the store's results to etcd's messages.
extension Etcdserverpb_ResponseHeader {
    /// Of this member now, but of the revision at which the answer was made.
    init(_ header: Header, revision: Revision? = nil) {
        self.init()
        clusterID = header.clusterID
        memberID = header.memberID
        self.revision = revision ?? header.revision
        raftTerm = header.term
    }

    /// Inside a transaction's answer etcd gives the revision alone.
    init(revision: Revision) {
        self.init()
        self.revision = revision
    }
}

extension Mvccpb_KeyValue {
    init(_ entry: Entry) {
        self.init()
        key = Data(entry.key.bytes)
        createRevision = entry.createRevision
        modRevision = entry.modRevision
        version = entry.version
        if !entry.value.isEmpty { value = Data(entry.value) }
        lease = entry.lease
    }
}

extension Etcdserverpb_RangeResponse {
    init(_ result: RangeResult, _ header: Etcdserverpb_ResponseHeader) {
        self.init()
        self.header = header
        count = Int64(result.count)
        more = result.hasMore
        kvs = result.entries.map(Mvccpb_KeyValue.init)
    }
}

extension Etcdserverpb_PutResponse {
    init(previous: Entry?, to request: Etcdserverpb_PutRequest, _ header: Etcdserverpb_ResponseHeader) {
        self.init()
        self.header = header
        if request.prevKv, let previous { prevKv = Mvccpb_KeyValue(previous) }
    }
}

extension Etcdserverpb_DeleteRangeResponse {
    init(previous: [Entry], to request: Etcdserverpb_DeleteRangeRequest, _ header: Etcdserverpb_ResponseHeader) {
        self.init()
        self.header = header
        deleted = Int64(previous.count)
        if request.prevKv { prevKvs = previous.map(Mvccpb_KeyValue.init) }
    }
}

/// Walks a transaction's results beside its operations. The revision in each inner header is the one that
/// the operation saw: the next one as soon as something before it changed (etcd `mvcc`, `storeTxnWrite`).
struct TransactionAnswer {
    private let after: Revision
    private var now: Revision

    static func message(
        _ result: TransactionResult, to request: Etcdserverpb_TxnRequest, _ header: Etcdserverpb_ResponseHeader
    ) -> Etcdserverpb_TxnResponse {
        let changes = result.results.contains(where: \.isChange)
        var walk = TransactionAnswer(after: result.revision, now: changes ? result.revision - 1 : result.revision)
        var message = walk.message(result, to: request)
        message.header = header
        return message
    }

    private mutating func message(
        _ result: TransactionResult, to request: Etcdserverpb_TxnRequest
    ) -> Etcdserverpb_TxnResponse {
        let operations = result.succeeded ? request.success : request.failure
        precondition(operations.count == result.results.count, "a transaction answered another number of operations")
        var message = Etcdserverpb_TxnResponse()
        message.succeeded = result.succeeded
        message.responses = zip(operations, result.results).map { operation, result in
            var response = Etcdserverpb_ResponseOp()
            response.response = answer(result, to: operation)
            return response
        }
        return message
    }

    private mutating func answer(
        _ result: OperationResult, to operation: Etcdserverpb_RequestOp
    ) -> Etcdserverpb_ResponseOp.OneOf_Response {
        if result.isChange, !result.isTransaction { now = after }
        switch (result, operation.request) {
        case (.put(let previous), .requestPut(let put)):
            return .responsePut(.init(previous: previous, to: put, .init(revision: now)))
        case (.delete(let previous), .requestDeleteRange(let delete)):
            return .responseDeleteRange(.init(previous: previous, to: delete, .init(revision: now)))
        case (.range(let found), .requestRange):
            return .responseRange(.init(found, .init(revision: now)))
        case (.transaction(let inner), .requestTxn(let transaction)):
            var message = message(inner, to: transaction)
            message.header = Etcdserverpb_ResponseHeader()
            return .responseTxn(message)
        default: preconditionFailure("the answer to an operation is of another kind")
        }
    }
}

extension OperationResult {
    fileprivate var isTransaction: Bool {
        if case .transaction = self { true } else { false }
    }

    fileprivate var isChange: Bool {
        switch self {
        case .put: true
        case .delete(let previous): !previous.isEmpty
        case .range: false
        case .transaction(let inner): inner.results.contains(where: \.isChange)
        }
    }
}
