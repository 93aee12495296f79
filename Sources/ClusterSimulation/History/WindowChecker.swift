import Store

/// The general search for an order in which a short history is lawful: Wing & Gong's, with Lowe's memory of where it has
/// been ("Testing for linearizability", 2017). It believes no revision's order and no hint. Exponential, for windows of up
/// to 20 calls: the tests hold `RevisionChecker` against it.
package struct WindowChecker {
    private struct Spot: Hashable {
        var done: UInt64
        var model: Model
    }

    private let calls: [Call]
    private var seen: Set<Spot> = []

    package init(_ history: History) {
        precondition(history.calls.count <= 20, "\(history.calls.count) calls are too many for a search")
        calls = history.calls.filter { call in
            if case .refused = call.answer { return false }
            return true
        }
    }

    package mutating func isLinearizable() -> Bool {
        let must = calls.indices.filter { calls[$0].returned != nil }.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
        return search(Spot(done: 0, model: Model(checksLeases: false)), must)
    }

    private mutating func search(_ spot: Spot, _ must: UInt64) -> Bool {
        if spot.done & must == must { return true }
        guard seen.insert(spot).inserted else { return false }
        // A call may be next only if no other that is still due was answered before it was made.
        let due = calls.indices.filter { spot.done & 1 << UInt64($0) == 0 }
        let deadline = due.compactMap { calls[$0].returned }.min() ?? .max
        for number in due where calls[number].invoked <= deadline {
            var model = spot.model
            guard Self.carryOut(calls[number], &model) else { continue }
            if search(Spot(done: spot.done | 1 << UInt64(number), model: model), must) { return true }
        }
        return false
    }

    /// - Returns: whether the answer, if there was one, is the model's.
    private static func carryOut(_ call: Call, _ model: inout Model) -> Bool {
        switch call.request {
        case .transaction(let transaction):
            let wanted = model.commit(transaction).result
            guard case .transaction(let seen) = call.answer else { return call.answer == .unknown }
            return wanted == .success(seen)
        case .range(let request, _):
            guard case .range(let seen) = call.answer else { return call.answer == .unknown }
            return model.range(request) == .success(seen)
        case .revoke(let lease): return model.revoke(lease) != nil
        case .grant, .renew, .compact: return true
        }
    }
}
