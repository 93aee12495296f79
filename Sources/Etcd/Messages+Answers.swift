import GRPC
import Store

/// etcd's answers as the store's results.

/// Whether a number that a server sent can be a revision, and one can be counted on and back from it.
func isRevision(_ number: Int64) -> Bool { (0..<Int64.max).contains(number) }

extension Entry {
    init(_ message: Mvccpb_KeyValue) {
        self.init(
            key: Key(Array(message.key)), value: Array(message.value), createRevision: message.createRevision,
            modRevision: message.modRevision, version: message.version, lease: message.lease)
    }
}

extension RangeResult {
    init(_ message: Etcdserverpb_RangeResponse) {
        self.init(
            entries: message.kvs.map { Entry($0) }, count: Int(message.count), revision: message.header.revision,
            hasMore: message.more)
    }
}

extension TransactionResult {
    /// - Throws: `.unavailable` when the answer does not fit what was asked.
    init(_ message: Etcdserverpb_TxnResponse) throws(StoreError) {
        guard isRevision(message.header.revision) else {
            throw .unavailable("the server's answer to a transaction cannot be understood: it tells of revision \(message.header.revision)")
        }
        var changed = false
        let begin = message.header.revision - (message.changesSomething ? 1 : 0)
        self = try Self.read(message, begin, &changed)
        revision = message.header.revision
    }

    /// etcd leaves the revision of nested answers out: it is the change's once something before has changed.
    private static func read(
        _ message: Etcdserverpb_TxnResponse, _ begin: Revision, _ changed: inout Bool
    ) throws(StoreError) -> TransactionResult {
        var results: [OperationResult] = []
        for answer in message.responses {
            switch answer.response {
            case .responsePut(let put):
                changed = true
                results.append(.put(previous: put.hasPrevKv ? Entry(put.prevKv) : nil))
            case .responseDeleteRange(let delete):
                if delete.deleted > 0 { changed = true }
                results.append(.delete(previous: delete.prevKvs.map { Entry($0) }))
            case .responseRange(let range):
                var result = RangeResult(range)
                result.revision = changed ? begin + 1 : begin
                results.append(.range(result))
            case .responseTxn(let inner): results.append(.transaction(try read(inner, begin, &changed)))
            case nil: throw .unavailable("the server's answer to a transaction cannot be understood")
            }
        }
        return TransactionResult(revision: changed ? begin + 1 : begin, succeeded: message.succeeded, results: results)
    }
}

extension Etcdserverpb_TxnResponse {
    fileprivate var changesSomething: Bool {
        responses.contains { answer in
            switch answer.response {
            case .responsePut: true
            case .responseDeleteRange(let delete): delete.deleted > 0
            case .responseTxn(let inner): inner.changesSomething
            case .responseRange, nil: false
            }
        }
    }
}

extension Event {
    init(_ message: Mvccpb_Event) {
        let previous = message.hasPrevKv ? Entry(message.prevKv) : nil
        switch message.type {
        case .delete:
            self = .delete(Key(Array(message.kv.key)), modRevision: message.kv.modRevision, previous: previous)
        case .put, .UNRECOGNIZED: self = .put(Entry(message.kv), previous: previous)
        }
    }
}

/// Foundation has an `Operation` too.
typealias StoreOperation = Operation
