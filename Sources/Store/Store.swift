/// The number of a committed change. An empty store is at revision 1; every transaction that
/// changes something raises it by one (etcd v3 API, "Revisions").
package typealias Revision = Int64

/// A multi-version key-value store with etcd v3's semantics: the one door through which plasma
/// keeps anything. Chainfire, the tests' `MemoryStore` and later a real etcd stand behind it, and
/// one conformance suite holds them to the same promises.
package protocol Store: Sendable {
    /// Reads keys as they were at one revision. Linearizable: it sees every write acknowledged
    /// before it was called.
    /// - Throws: `StoreError.compacted`, `.futureRevision`, `.unavailable`.
    func range(_ request: RangeRequest) async throws(StoreError) -> RangeResult

    /// Evaluates the compares and carries out one of the two branches, all at one revision.
    /// When this returns the change is durable.
    /// - Throws: `StoreError.invalid` for a transaction that may not be (too many operations, a key
    ///   put twice, too large), `.noSpace`, `.unavailable`.
    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult

    /// Follows the changes of a key range: in order, each once, all of a revision together.
    /// - Parameter revision: the first revision to tell of; nil is "after now". It may lie in the
    ///   future: nothing older is told then. It may be the revision of the last compaction: the
    ///   events of that revision are told, without `previous`.
    /// - Throws: `StoreError.compacted` when that history is gone: read the range and watch anew.
    func watch(_ range: KeyRange, from revision: Revision?) async throws(StoreError) -> Watch

    /// Forgets what was overwritten or deleted up to and including `revision`, which itself stays
    /// readable.
    /// - Throws: `StoreError.compacted` when that was done already, `.futureRevision`, `.unavailable`.
    func compact(through revision: Revision) async throws(StoreError)
}

extension Store {
    package func get(_ key: Key) async throws(StoreError) -> Entry? {
        try await range(RangeRequest(.single(key))).entries.first
    }

    @discardableResult
    package func put(_ key: Key, _ value: [UInt8]) async throws(StoreError) -> Revision {
        try await commit(Transaction(then: [.put(key, value)])).revision
    }
}

package enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The revision asked for was compacted away; `oldest` is the first that can still be read.
    case compacted(oldest: Revision)
    case futureRevision(asked: Revision, current: Revision)
    /// The request itself may not be; the text says which rule it breaks.
    case invalid(String)
    case noSpace
    /// What was named is not there: a lease, a member (gRPC NotFound).
    case missing(String)
    /// The store is not in a state that allows it (gRPC FailedPrecondition). The message is etcd's own
    /// text; `detail` says more to a person, as the arithmetic of a quorum, and may be empty.
    case precondition(String, detail: String = "")
    /// A number is beyond what is allowed, other than a revision (gRPC OutOfRange).
    case outOfRange(String)
    /// Too much is asked at once (gRPC ResourceExhausted).
    case exhausted(String)
    /// Nobody can answer now (starting, stopping, no leader). The write may or may not have happened.
    case unavailable(String)

    package var description: String {
        switch self {
        case .compacted(let oldest): "required revision has been compacted (the oldest kept is \(oldest))"
        case .futureRevision(let asked, let current): "revision \(asked) is in the future (current is \(current))"
        case .invalid(let rule): rule
        case .noSpace: "database space exceeded"
        case .missing(let message), .outOfRange(let message), .exhausted(let message): message
        case .precondition(let message, let detail): detail.isEmpty ? message : "\(message) (\(detail))"
        case .unavailable(let why): "store unavailable: \(why)"
        }
    }
}
