import Store

/// Keys in order, each with a value: an array of short sorted arrays. Finding a key is two binary
/// searches; inserting moves at most one short array.
struct SortedMap<Value: Sendable>: Sendable {
    private struct Chunk {
        var keys: [Key]
        var values: [Value]
    }
    private static var chunkMax: Int { 256 }
    /// Never empty ones.
    private var chunks: [Chunk] = []
    private(set) var count = 0

    subscript(key: Key) -> Value? {
        guard let (chunk, place) = find(key) else { return nil }
        return chunks[chunk].values[place]
    }

    /// Changes the value of a key in place; false when the key is not there.
    @discardableResult
    mutating func update(_ key: Key, _ body: (inout Value) -> Void) -> Bool {
        guard let (chunk, place) = find(key) else { return false }
        body(&chunks[chunk].values[place])
        return true
    }

    /// The key must not be there yet.
    mutating func insert(_ key: Key, _ value: Value) {
        upsert(key, value) { _ in preconditionFailure("\(key) is there already") }
    }

    /// Changes the value of a key in place, or inserts the key with `fresh`.
    mutating func upsert(_ key: Key, _ fresh: @autoclosure () -> Value, _ body: (inout Value) -> Void) {
        guard !chunks.isEmpty else {
            chunks = [Chunk(keys: [key], values: [fresh()])]
            count = 1
            return
        }
        let chunk = max(0, partition(chunks.count) { chunks[$0].keys[0] > key } - 1)
        let place = partition(chunks[chunk].keys.count) { chunks[chunk].keys[$0] >= key }
        if place < chunks[chunk].keys.count, chunks[chunk].keys[place] == key { return body(&chunks[chunk].values[place]) }
        let value = fresh()
        count += 1
        chunks[chunk].keys.insert(key, at: place)
        chunks[chunk].values.insert(value, at: place)
        if chunks[chunk].keys.count > Self.chunkMax { split(chunk, at: place) }
    }

    @discardableResult
    mutating func remove(_ key: Key) -> Value? {
        guard let (chunk, place) = find(key) else { return nil }
        count -= 1
        chunks[chunk].keys.remove(at: place)
        let value = chunks[chunk].values.remove(at: place)
        if chunks[chunk].keys.isEmpty { chunks.remove(at: chunk) }
        return value
    }

    /// Hands out the keys of a range in order.
    func forEach(in range: KeyRange, _ body: (Key, Value) throws -> Void) rethrows {
        guard !chunks.isEmpty else { return }
        let first = max(0, partition(chunks.count) { chunks[$0].keys[0] > range.lower } - 1)
        var place = partition(chunks[first].keys.count) { chunks[first].keys[$0] >= range.lower }
        for chunk in first..<chunks.count {
            let end = if let upper = range.upper, chunks[chunk].keys[chunks[chunk].keys.count - 1] >= upper {
                partition(chunks[chunk].keys.count) { chunks[chunk].keys[$0] >= upper }
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
    }

    private func find(_ key: Key) -> (chunk: Int, place: Int)? {
        let chunk = partition(chunks.count) { chunks[$0].keys[0] > key } - 1
        guard chunk >= 0 else { return nil }
        let place = partition(chunks[chunk].keys.count) { chunks[chunk].keys[$0] >= key }
        guard place < chunks[chunk].keys.count, chunks[chunk].keys[place] == key else { return nil }
        return (chunk, place)
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
