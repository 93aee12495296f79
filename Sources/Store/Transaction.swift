/// One key as it stood at a revision.
package struct Entry: Hashable, Sendable {
    package var key: Key
    package var value: [UInt8]
    /// The revision at which the key came to be, and the one of its last change.
    package var createRevision: Revision
    package var modRevision: Revision
    /// 1 at creation, one more with each put; a deleted key begins again.
    package var version: Int64
    /// The lease the key dies with; 0 is none.
    package var lease: Int64

    package init(key: Key, value: [UInt8], createRevision: Revision, modRevision: Revision, version: Int64, lease: Int64 = 0) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}

package struct RangeRequest: Hashable, Sendable {
    package var range: KeyRange
    /// nil (and, as in etcd, anything below 1) reads the newest.
    package var revision: Revision?
    /// The most entries to return; 0 is all.
    package var limit: Int
    package var countOnly: Bool
    package var keysOnly: Bool

    package init(
        _ range: KeyRange, at revision: Revision? = nil, limit: Int = 0, countOnly: Bool = false, keysOnly: Bool = false
    ) {
        self.range = range
        self.revision = revision
        self.limit = limit
        self.countOnly = countOnly
        self.keysOnly = keysOnly
    }
}

package struct RangeResult: Hashable, Sendable {
    /// In key order.
    package var entries: [Entry]
    /// How many keys the range holds, whatever the limit.
    package var count: Int
    /// The store's revision when it answered.
    package var revision: Revision

    package init(entries: [Entry], count: Int, revision: Revision) {
        self.entries = entries
        self.count = count
        self.revision = revision
    }
}

/// A condition on one key. A key that is not there compares as zero revisions, version 0 and lease
/// 0; a condition on its value never holds, not even `.notEqual` (etcd `apply/txn`, `applyCompare`).
package struct Compare: Hashable, Sendable {
    package enum Relation: UInt8, Hashable, Sendable { case equal, greater, less, notEqual }
    package enum Target: Hashable, Sendable {
        case version(Int64), createRevision(Revision), modRevision(Revision), value([UInt8]), lease(Int64)
    }

    package var key: Key
    package var relation: Relation
    package var target: Target

    package init(_ key: Key, _ relation: Relation, _ target: Target) {
        self.key = key
        self.relation = relation
        self.target = target
    }
}

package indirect enum Operation: Hashable, Sendable {
    case put(Key, [UInt8], lease: Int64)
    case delete(KeyRange)
    case range(RangeRequest)
    case transaction(Transaction)

    package static func put(_ key: Key, _ value: [UInt8]) -> Operation { .put(key, value, lease: 0) }
    package static func delete(_ key: Key) -> Operation { .delete(.single(key)) }
}

package struct Transaction: Hashable, Sendable {
    /// etcd's default `--max-txn-ops`: the most compares, and the most operations in each branch.
    /// A nested transaction may have what its parent left over.
    package static let operationsMax = 128
    /// etcd's default `--max-request-bytes`; here the sum of all keys and values.
    package static let bytesMax = 1_572_864

    package var compares: [Compare]
    package var then: [Operation]
    package var otherwise: [Operation]

    package init(if compares: [Compare] = [], then: [Operation], otherwise: [Operation] = []) {
        self.compares = compares
        self.then = then
        self.otherwise = otherwise
    }
}

package enum OperationResult: Hashable, Sendable {
    case put(previous: Entry?)
    case delete(previous: [Entry])
    case range(RangeResult)
    case transaction(TransactionResult)
}

package struct TransactionResult: Hashable, Sendable {
    /// The revision of the change; the store's current one when nothing changed.
    package var revision: Revision
    /// Whether all compares held and `then` was taken.
    package var succeeded: Bool
    package var results: [OperationResult]

    package init(revision: Revision, succeeded: Bool, results: [OperationResult]) {
        self.revision = revision
        self.succeeded = succeeded
        self.results = results
    }
}
