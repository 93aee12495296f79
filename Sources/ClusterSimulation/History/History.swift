import Store

/// What a client can ask.
package enum Request: Hashable, Sendable {
    case transaction(Transaction)
    case range(RangeRequest, serializable: Bool)
    case grant(lease: Int64, seconds: Int64)
    case revoke(lease: Int64)
    case renew(lease: Int64)
    case compact(Revision)
}

package enum Answer: Hashable, Sendable {
    case transaction(TransactionResult)
    case range(RangeResult)
    /// A grant, a renewal, a revocation or a compaction was done; the lease's seconds where it has any.
    case done(seconds: Int64)
    /// Surely not done.
    case refused(StoreError)
    /// Perhaps done, perhaps later, perhaps never.
    case unknown
}

/// One call of a client: when it was made, when it was answered, and with what.
package struct Call: Sendable {
    package var client: Int
    package var request: Request
    package var invoked: Micros
    /// nil: no answer came.
    package var returned: Micros?
    package var answer: Answer
    /// The member that answered.
    package var member: UInt64
    /// Of a call without an answer: the revision that it is said to have made. The checker believes it only as far as
    /// everything else agrees with it.
    package var hint: Revision?

    package init(
        client: Int, request: Request, invoked: Micros, returned: Micros?, answer: Answer, member: UInt64 = 0,
        hint: Revision? = nil
    ) {
        self.client = client
        self.request = request
        self.invoked = invoked
        self.returned = returned
        self.answer = answer
        self.member = member
        self.hint = hint
    }
}

/// All calls of a run. `deaths` are the leases that ended by themselves, with the revision that took their keys.
package struct History: Sendable {
    package var calls: [Call] = []
    package var deaths: [(lease: Int64, revision: Revision)] = []

    package init() {}
}
