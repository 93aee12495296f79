import Store

/// Keys in order, each with a value: an array of short sorted arrays. Finding a key is two binary
/// searches; inserting moves at most one short array.
struct SortedMap<Value: Sendable>: Sendable {
    private struct Chunk {
        var keys: [Key]
        var values: [Value]
    }

    /// Where a key is, or would be. Good until keys are inserted or removed.
    struct Place {
        fileprivate var chunk: Int
        fileprivate var at: Int
        var isTaken: Bool
    }

    private static var chunkMax: Int { 256 }
    /// Never empty ones.
    private var chunks: [Chunk] = []
    /// Of each chunk, so that looking for one touches no other.
    private var firsts: [Key] = []
    private(set) var count = 0

    subscript(key: Key) -> Value? { self[place(of: key)] }

    subscript(place: Place) -> Value? { place.isTaken ? chunks[place.chunk].values[place.at] : nil }

    /// Changes the value of a key in place; false when the key is not there.
    @discardableResult
    mutating func update(_ key: Key, _ body: (inout Value) -> Void) -> Bool {
        let place = place(of: key)
        if place.isTaken { body(&chunks[place.chunk].values[place.at]) }
        return place.isTaken
    }

    /// The key must not be there yet.
    mutating func insert(_ key: Key, _ value: Value) {
        upsert(key, value) { _ in preconditionFailure("\(key) is there already") }
    }

    /// Changes the value of a key in place, or inserts the key with `fresh`.
    /// - Parameter known: the key's place, where it was looked for already.
    mutating func upsert(_ key: Key, at known: Place? = nil, _ fresh: @autoclosure () -> Value, _ body: (inout Value) -> Void) {
        let place = known ?? place(of: key)
        if place.isTaken { return body(&chunks[place.chunk].values[place.at]) }
        let value = fresh()
        count += 1
        guard !chunks.isEmpty else {
            chunks = [Chunk(keys: [key], values: [value])]
            firsts = [key]
            return
        }
        if place.at == 0 { firsts[place.chunk] = key }
        chunks[place.chunk].keys.insert(key, at: place.at)
        chunks[place.chunk].values.insert(value, at: place.at)
        if chunks[place.chunk].keys.count > Self.chunkMax { split(place.chunk, at: place.at) }
    }

    @discardableResult
    mutating func remove(_ key: Key) -> Value? {
        let place = place(of: key)
        guard place.isTaken else { return nil }
        count -= 1
        chunks[place.chunk].keys.remove(at: place.at)
        let value = chunks[place.chunk].values.remove(at: place.at)
        if chunks[place.chunk].keys.isEmpty {
            chunks.remove(at: place.chunk)
            firsts.remove(at: place.chunk)
        } else if place.at == 0 {
            firsts[place.chunk] = chunks[place.chunk].keys[0]
        }
        return value
    }

    /// Hands out the keys of a range in order.
    func forEach(in range: KeyRange, _ body: (Key, Value) throws -> Void) rethrows {
        guard !chunks.isEmpty else { return }
        let start = place(of: range.lower)
        var place = start.at
        for chunk in start.chunk..<chunks.count {
            let end = if let upper = range.upper, chunks[chunk].keys[chunks[chunk].keys.count - 1] >= upper {
                partition(chunks[chunk].keys.count) { chunks[chunk].keys[$0].compare(upper) >= 0 }
            } else {
                chunks[chunk].keys.count
            }
            while place < end {
                try body(chunks[chunk].keys[place], chunks[chunk].values[place])
                place += 1
            }
            if end < chunks[chunk].keys.count { return }
            place = 0
        }
    }

    /// A chunk that grew at its end is split there, so that keys added in order leave full chunks.
    private mutating func split(_ chunk: Int, at place: Int) {
        let keys = chunks[chunk].keys
        let middle = place == keys.count - 1 ? keys.count - 1 : keys.count / 2
        let tail = Chunk(keys: Array(keys[middle...]), values: Array(chunks[chunk].values[middle...]))
        chunks[chunk].keys.removeSubrange(middle...)
        chunks[chunk].values.removeSubrange(middle...)
        chunks.insert(tail, at: chunk + 1)
        firsts.insert(tail.keys[0], at: chunk + 1)
    }

    func place(of key: Key) -> Place {
        guard !chunks.isEmpty else { return Place(chunk: 0, at: 0, isTaken: false) }
        let chunk = max(0, firsts.withUnsafeBufferPointer { firsts in partition(firsts.count) { firsts[$0].compare(key) > 0 } } - 1)
        return chunks[chunk].keys.withUnsafeBufferPointer { keys in
            var isTaken = false
            let at = partition(keys.count) { place in
                let order = keys[place].compare(key)
                isTaken = isTaken || order == 0
                return order >= 0
            }
            return Place(chunk: chunk, at: at, isTaken: isTaken)
        }
    }
}

/// The first of `count` places from which `belongs` is true; it is false before and true after.
func partition(_ count: Int, _ belongs: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
        let middle = low + (high - low) / 2
        if belongs(middle) { high = middle } else { low = middle + 1 }
    }
    return low
}
