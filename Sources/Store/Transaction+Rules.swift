/// What a transaction may not be, whatever the store's contents. The texts are etcd's own
/// (`api/v3rpc/rpctypes/error.go`), because clients match them.
extension Transaction {
    /// - Throws: `StoreError.invalid` naming the rule that is broken.
    package func validate() throws(StoreError) {
        try checkShape(operationsLeft: Self.operationsMax)
        guard payloadBytes <= Self.bytesMax else { throw .invalid("etcdserver: request is too large") }
        if then.count > 1 || then.first?.isNested == true { _ = try Self.checkTouched(then) }
        if otherwise.count > 1 || otherwise.first?.isNested == true { _ = try Self.checkTouched(otherwise) }
    }

    /// The bytes of all keys and values in it.
    package var payloadBytes: Int {
        var bytes = 0
        for compare in compares {
            bytes += compare.key.bytes.count
            if case .value(let value) = compare.target { bytes += value.count }
        }
        for operation in then { bytes += operation.payloadBytes }
        for operation in otherwise { bytes += operation.payloadBytes }
        return bytes
    }

    /// A nested transaction may have as many operations as its parent left over.
    private func checkShape(operationsLeft: Int) throws(StoreError) {
        let operations = max(compares.count, then.count, otherwise.count)
        guard operations <= operationsLeft else { throw .invalid("etcdserver: too many operations in txn request") }
        if compares.contains(where: { $0.key.bytes.isEmpty && $0.range == nil }) { throw .invalid("etcdserver: key is not provided") }
        for branch in [then, otherwise] {
            for operation in branch {
                switch operation {
                case .put(let key, _, _), .amend(let key, _, _):
                    if key.bytes.isEmpty { throw .invalid("etcdserver: key is not provided") }
                case .transaction(let inner): try inner.checkShape(operationsLeft: operationsLeft - operations)
                case .delete, .range: break
                }
            }
        }
    }

    fileprivate struct Touched {
        var puts: Set<Key> = []
        var deletes: [KeyRange] = []
    }

    /// A key may be put once, and not be put where the same branch deletes: the order of changes
    /// inside one revision must not matter. The two branches of a nested transaction exclude each
    /// other, so that both may touch the same key.
    private static func checkTouched(_ operations: [Operation]) throws(StoreError) -> Touched {
        var touched = Touched()
        for operation in operations {
            var here = Touched()
            switch operation {
            case .put(let key, _, _), .amend(let key, _, _): here.puts = [key]
            case .delete(let range): here.deletes = [range]
            case .range: continue
            case .transaction(let inner):
                here = try checkTouched(inner.then)
                let other = try checkTouched(inner.otherwise)
                here.puts.formUnion(other.puts)
                here.deletes += other.deletes
            }
            guard touched.isApart(from: here) else { throw .invalid(duplicate) }
            touched.puts.formUnion(here.puts)
            touched.deletes += here.deletes
        }
        return touched
    }

    private static let duplicate = "etcdserver: duplicate key given in txn request"
}

extension Transaction.Touched {
    fileprivate func isApart(from other: Self) -> Bool {
        puts.isDisjoint(with: other.puts) && !Self.someLie(other.puts, in: deletes) && !Self.someLie(puts, in: other.deletes)
    }

    /// Thousands of keys and thousands of ranges are not to be compared each with each.
    private static func someLie(_ keys: Set<Key>, in ranges: [KeyRange]) -> Bool {
        guard keys.count > 0, ranges.count > 16, keys.count > 16 else { return keys.contains { key in ranges.contains { $0.contains(key) } } }
        let sorted = ranges.sorted { $0.lower < $1.lower }
        // Of all that begin up to there, the one that goes furthest.
        var furthest: [KeyRange] = []
        for range in sorted {
            let last = furthest.last
            let isFurther = last.map { before in before.upper.map { end in range.upper.map { $0 > end } ?? true } ?? false } ?? true
            furthest.append(isFurther ? range : last ?? range)
        }
        return keys.contains { key in
            var (low, high) = (0, sorted.count)
            while low < high {
                let middle = (low + high) / 2
                if sorted[middle].lower <= key { low = middle + 1 } else { high = middle }
            }
            guard low > 0 else { return false }
            return furthest[low - 1].upper.map { key < $0 } ?? true
        }
    }
}

extension Operation {
    fileprivate var isNested: Bool { if case .transaction = self { true } else { false } }

    package var payloadBytes: Int {
        switch self {
        case .put(let key, let value, _): key.bytes.count + value.count
        case .amend(let key, let value, _): key.bytes.count + (value?.count ?? 0)
        case .delete(let range): range.lower.bytes.count + (range.upper?.bytes.count ?? 0)
        case .range(let request): request.range.lower.bytes.count + (request.range.upper?.bytes.count ?? 0)
        case .transaction(let inner): inner.payloadBytes
        }
    }
}
