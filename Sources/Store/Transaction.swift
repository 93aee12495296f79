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

/// A condition on one key, or on every key of a range. A key that is not there compares as zero revisions, version 0 and lease
/// 0; a condition on its value never holds, not even `.notEqual` (etcd `apply/txn`, `applyCompare`).
package struct Compare: Hashable, Sendable {
    package enum Relation: UInt8, Hashable, Sendable { case equal, greater, less, notEqual }
    package enum Target: Hashable, Sendable {
        case version(Int64), createRevision(Revision), modRevision(Revision), value([UInt8]), lease(Int64)
    }

    package var key: Key
    package var relation: Relation
    package var target: Target
    /// Instead of `key` alone: every key of the range must satisfy it, and a range without any compares as a
    /// missing key does (etcd's `Compare.range_end`). Its lower end is `key`.
    package var range: KeyRange?

    package init(_ key: Key, _ relation: Relation, _ target: Target) {
        self.key = key
        self.relation = relation
        self.target = target
    }

    package init(allOf range: KeyRange, _ relation: Relation, _ target: Target) {
        self.init(range.lower, relation, target)
        self.range = range
    }
}

package indirect enum Operation: Hashable, Sendable {
    case put(Key, [UInt8], lease: Int64)
    /// A put that keeps the value, the lease or both of a key that is there (etcd's `ignore_value` and
    /// `ignore_lease`): nil keeps. A key that is not there refuses the transaction as
    /// `.invalid("etcdserver: key not found")`; it is looked for before the transaction begins.
    case amend(Key, value: [UInt8]?, lease: Int64?)
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
