import Store

extension StoreConformance {
    /// Does the same random things to both stores and throws at the first answer that differs. Both must
    /// be fresh. A seed gives the same run again; it is in the error's text.
    /// - Parameter isEtcd: a real one. No watch begins at a compaction's own revision then, where etcd before 3.4.36 and
    ///   3.5.18 has lost the deletes (etcd #19179); ranges are sorted by key only, since etcd leaves open which of equals comes
    ///   first; and of a transaction that is wrong in several ways it is left open for
    ///   which of them it is refused: etcd looks at all puts before any range.
    package static func compare(
        _ one: any Store, with model: any Store, seed: UInt64, steps: Int, isEtcd: Bool = false
    ) async throws {
        var dice = StoreDice(seed, ties: !isEtcd)
        var compacted: Revision = 0
        var watches: [(model: Teller, one: Teller)] = []
        for step in 0..<steps {
            let place = "seed \(seed) step \(step)"
            let current = try await model.range(RangeRequest(.all, countOnly: true)).revision
            switch dice.roll(100) {
            case ..<60:
                let transaction = dice.transaction(current: current, depth: 0)
                let wanted = await answer { try await model.commit(transaction) }
                let seen = await answer { try await one.commit(transaction) }
                if isEtcd, case .failure(let one) = seen, case .failure(let other) = wanted, one.isOfTheRequest, other.isOfTheRequest {
                    continue
                }
                try expect(seen, is: wanted, "\(place): \(transaction)")
            case ..<90:
                let request = dice.request(current: current)
                let wanted = await answer { try await model.range(request) }
                let seen = await answer { try await one.range(request) }
                try expect(seen, is: wanted, "\(place): \(request)")
            case ..<93:
                let revision = current - Revision(dice.roll(60)) + 2
                let wanted = await answer { try await model.compact(through: revision); return true }
                let seen = await answer { try await one.compact(through: revision); return true }
                try expect(seen, is: wanted, "\(place): compact \(revision)")
                if case .success = wanted { compacted = revision }
            case ..<95 where watches.count < 8:
                watches.append((Teller(try await model.watch(.all, from: nil)), Teller(try await one.watch(.all, from: nil))))
            default:
                var revision = max(1, current - Revision(dice.roll(40)))
                if isEtcd, revision == compacted { revision += 1 }
                try await compareHistory(one, model, from: revision, place: place)
            }
            // Watches read along, so that no compaction overtakes them.
            let now = try await model.range(RangeRequest(.all, countOnly: true)).revision
            guard now > current else { continue }
            for place in watches.indices {
                let wanted = try await watches[place].model.next(through: now)
                let seen = try await watches[place].one.next(through: now)
                try expect(seen, is: wanted, "seed \(seed) step \(step): watch \(place)")
            }
        }
    }

    private static func compareHistory(_ one: any Store, _ model: any Store, from: Revision, place: String) async throws {
        let now = try await model.range(RangeRequest(.all, countOnly: true)).revision
        let wanted = await answer { try await model.watch(.all, from: from) }.map { Teller($0) }
        let seen = await answer { try await one.watch(.all, from: from) }.map { Teller($0) }
        switch (wanted, seen) {
        case (.success(var wanted), .success(var seen)):
            // The newest revision may have changed nothing since; then there is nothing to wait for.
            guard now >= from, now > 1 else { return }
            let events = try await wanted.next(through: now)
            try expect(await seen.next(through: now), is: events, "\(place): watch from \(from)")
        case (.failure(let wanted), .failure(let seen)): try expect(seen, is: wanted, "\(place): watch from \(from)")
        case (.success, .failure(let error)): throw Failure(description: "\(place): watch from \(from) refused: \(error)")
        case (.failure(let error), .success): throw Failure(description: "\(place): watch from \(from) not refused: \(error)")
        }
    }

    private static func answer<T: Sendable>(_ body: () async throws -> T) async -> Result<T, StoreError> {
        do {
            return .success(try await body())
        } catch let error as StoreError {
            return .failure(error)
        } catch {
            return .failure(.unavailable("\(error)"))
        }
    }
}

extension StoreError {
    /// What was asked is wrong, and not the store.
    fileprivate var isOfTheRequest: Bool {
        switch self {
        case .compacted, .futureRevision, .invalid, .missing, .precondition, .outOfRange: true
        default: false
        }
    }
}

/// Random numbers from a seed (SplitMix64), and the requests made of them.
private struct StoreDice: RandomNumberGenerator {
    private var state: UInt64
    /// Whether ranges may be sorted by what several keys have in common.
    private let ties: Bool

    init(_ seed: UInt64, ties: Bool) {
        state = seed
        self.ties = ties
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// From 0 up to, not including, `sides`.
    mutating func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &self) }

    fileprivate mutating func key() -> Key { Key("k\(roll(3))/\(roll(12))") }

    fileprivate mutating func range() -> KeyRange {
        switch roll(6) {
        case 0: .all
        case 1: .prefix(Key("k\(roll(4))"))
        case 2: KeyRange(lower: key(), upper: key())
        case 3: KeyRange(lower: key(), upper: nil)
        default: .single(key())
        }
    }

    fileprivate mutating func value() -> [UInt8] {
        roll(20) == 0 ? [UInt8](repeating: UInt8(roll(256)), count: roll(5_000)) : [UInt8(roll(4))]
    }

    fileprivate mutating func request(current: Revision) -> RangeRequest {
        var request = RangeRequest(
            range(), at: roll(2) == 0 ? nil : max(0, current + 1 - Revision(roll(50))), limit: roll(3) == 0 ? roll(8) : 0,
            countOnly: roll(8) == 0, keysOnly: roll(5) == 0)
        if roll(4) == 0 {
            let order: RangeRequest.Sort.Order = roll(2) == 0 ? .ascending : .descending
            let target = RangeRequest.Sort.Target(rawValue: UInt8(roll(5))) ?? .key
            request.sort = .init(order, by: ties ? target : .key)
        }
        if roll(6) == 0 { request.minMod = max(0, current - Revision(roll(60))) }
        if roll(6) == 0 { request.maxMod = max(0, current - Revision(roll(20))) }
        if roll(8) == 0 { request.minCreate = max(0, current - Revision(roll(60))) }
        if roll(8) == 0 { request.maxCreate = max(0, current - Revision(roll(20))) }
        return request
    }

    private mutating func compare(current: Revision) -> Compare {
        let relation = Compare.Relation(rawValue: UInt8(roll(4))) ?? .equal
        if roll(5) == 0 { return Compare(allOf: range(), relation, roll(2) == 0 ? .version(Int64(roll(3))) : .value(value())) }
        return switch roll(5) {
        case 0: Compare(key(), relation, .version(Int64(roll(4))))
        case 1: Compare(key(), relation, .createRevision(roll(2) == 0 ? 0 : current - Revision(roll(30))))
        case 2: Compare(key(), relation, .modRevision(roll(2) == 0 ? 0 : current - Revision(roll(30))))
        case 3: Compare(key(), relation, .lease(0))
        default: Compare(key(), relation, .value(value()))
        }
    }

    fileprivate mutating func transaction(current: Revision, depth: Int) -> Transaction {
        let compares = (0..<roll(2)).map { _ in compare(current: current) }
        let then = (0..<roll(4)).map { _ in operation(current: current, depth: depth) }
        let otherwise = (0..<roll(3)).map { _ in operation(current: current, depth: depth) }
        return Transaction(if: compares, then: then, otherwise: otherwise)
    }

    private mutating func operation(current: Revision, depth: Int) -> Operation {
        switch roll(20) {
        case ..<10: .put(key(), value(), lease: 0)
        case 10: .amend(key(), value: roll(2) == 0 ? nil : value(), lease: roll(2) == 0 ? nil : 0)
        case ..<14: .delete(roll(2) == 0 ? .single(key()) : range())
        case ..<18: .range(request(current: current))
        default: depth < 3 ? .transaction(transaction(current: current, depth: depth + 1)) : .put(key(), value())
        }
    }
}
