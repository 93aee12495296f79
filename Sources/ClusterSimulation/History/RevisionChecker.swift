import Store

/// Decides whether a history is linearizable, exactly and in n·log n: every answer carries the store's revision, and a
/// revision is made by one change, so that the answers themselves say in which order the calls took effect. Left to check
/// is that this order is lawful (each answer is what the model answers there) and that it keeps to real time (a call
/// takes effect after it was made and before it was answered). See Wing & Gong, "Testing and Verifying Concurrent
/// Objects" (1993), whose search the revisions make needless.
package struct RevisionChecker {
    private let history: History
    private var writers: [Revision: Int] = [:]
    private var readers: [Revision: [Int]] = [:]

    package init(_ history: History) { self.history = history }

    /// - Returns: the first thing that is wrong, in words; nil when the history is linearizable.
    package mutating func problem() -> String? {
        place() ?? replay() ?? againstTime()
    }

    /// Where a call took effect: after the change of `revision`; a change is before the calls that only looked.
    private struct Place: Comparable {
        var revision: Revision
        var isLook: Bool
        static func < (a: Place, b: Place) -> Bool { (a.revision, a.isLook ? 1 : 0) < (b.revision, b.isLook ? 1 : 0) }
    }

    private func place(of number: Int) -> Place? {
        let call = history.calls[number]
        switch call.answer {
        case .transaction(let result): return Place(revision: result.revision, isLook: !result.mutates)
        case .range(let result):
            if case .range(_, serializable: true) = call.request { return nil }
            return Place(revision: result.revision, isLook: true)
        case .done, .unknown: return call.hint.map { Place(revision: $0, isLook: false) }
        case .refused: return nil
        }
    }

    private mutating func place() -> String? {
        for (number, call) in history.calls.enumerated() {
            if case .range(let result) = call.answer {
                readers[result.revision, default: []].append(number)
            } else if let place = place(of: number) {
                if place.isLook {
                    readers[place.revision, default: []].append(number)
                } else if let other = writers.updateValue(number, forKey: place.revision) {
                    return "revision \(place.revision) was made twice: by \(words(other)) and \(words(number))"
                }
            }
        }
        return nil
    }

    private func replay() -> String? {
        var model = Model(checksLeases: false)
        let deaths = Dictionary(history.deaths.map { ($0.revision, $0.lease) }, uniquingKeysWith: { first, _ in first })
        let last = max(writers.keys.max() ?? 1, readers.keys.max() ?? 1, deaths.keys.max() ?? 1)
        var revision: Revision = 1
        while true {
            for number in readers[revision] ?? [] {
                if let problem = check(number, &model) { return problem }
            }
            guard revision < last else { return nil }
            revision += 1
            if let number = writers[revision] {
                if let problem = carryOut(number, &model) { return problem }
                guard model.revision == revision else {
                    return "\(words(number)) changes nothing, but answered revision \(revision)"
                }
            } else if let lease = deaths[revision] {
                guard model.revoke(lease)?.isEmpty == false else { return "lease \(lease) ended at \(revision) without any key" }
            } else {
                return "nobody asked for what revision \(revision) is"
            }
        }
    }

    private func carryOut(_ number: Int, _ model: inout Model) -> String? {
        let call = history.calls[number]
        switch call.request {
        case .transaction(let transaction):
            let wanted = model.commit(transaction).result
            guard case .transaction(let seen) = call.answer else { return nil }
            return wanted == .success(seen) ? nil : "\(words(number)) answered \(seen), not \(wanted)"
        case .revoke(let lease): return model.revoke(lease) == nil ? "\(words(number)) ended no lease" : nil
        case .range, .grant, .renew, .compact: return "\(words(number)) cannot have changed a key"
        }
    }

    private func check(_ number: Int, _ model: inout Model) -> String? {
        let call = history.calls[number]
        switch (call.request, call.answer) {
        case (.range(let request, _), .range(let seen)):
            let wanted = model.range(request)
            return wanted == .success(seen) ? nil : "\(words(number)) answered \(seen), not \(wanted)"
        case (.transaction(let transaction), .transaction(let seen)):
            var fork = model
            let wanted = fork.commit(transaction).result
            return wanted == .success(seen) ? nil : "\(words(number)) answered \(seen), not \(wanted)"
        default: return "\(words(number)) answered \(call.answer), which is no answer to it"
        }
    }

    /// Whoever was asked after another was answered takes effect after it.
    private func againstTime() -> String? {
        let placed = history.calls.indices.compactMap { number in place(of: number).map { (number, $0) } }
        let asked = placed.sorted { (history.calls[$0.0].invoked, $0.0) < (history.calls[$1.0].invoked, $1.0) }
        let answered = placed.filter { history.calls[$0.0].returned != nil }
            .sorted { (history.calls[$0.0].returned ?? 0, $0.0) < (history.calls[$1.0].returned ?? 0, $1.0) }
        var floor: (number: Int, place: Place)?
        var next = 0
        for (number, place) in asked {
            while next < answered.count, let returned = history.calls[answered[next].0].returned,
                returned < history.calls[number].invoked
            {
                if floor.map({ $0.place < answered[next].1 }) ?? true { floor = answered[next] }
                next += 1
            }
            guard let floor else { continue }
            if place < floor.place || (place == floor.place && !place.isLook) {
                return "\(words(number)) took effect at revision \(place.revision), but was asked after "
                    + "\(words(floor.number)) had been answered with revision \(floor.place.revision)"
            }
        }
        return nil
    }

    private func words(_ number: Int) -> String {
        let call = history.calls[number]
        return
            "call \(number) of client \(call.client) (\(call.request), \(call.invoked)…\(call.returned.map(String.init) ?? "") µs)"
    }
}

extension TransactionResult {
    /// Whether it changed anything, as far as its results show.
    var mutates: Bool {
        results.contains { result in
            switch result {
            case .put: true
            case .delete(let gone): !gone.isEmpty
            case .range: false
            case .transaction(let inner): inner.mutates
            }
        }
    }
}
