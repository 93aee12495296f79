import Store

/// Keys in order, each with a value: an array of short sorted arrays. Finding a key is two binary
/// searches among numbers (`SortedKeys`); inserting moves at most one short array.
struct SortedMap<Value: Sendable>: Sendable {
    private struct Chunk {
        var keys: SortedKeys
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
    private var firsts: SortedKeys?
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
            chunks = [Chunk(keys: SortedKeys([key]), values: [value])]
            firsts = SortedKeys([key])
            return
        }
        if place.at == 0 { firsts?.replace(at: place.chunk, with: key) }
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
            firsts?.remove(at: place.chunk)
        } else if place.at == 0 {
            firsts?.replace(at: place.chunk, with: chunks[place.chunk].keys[0])
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
        let count = chunks[chunk].keys.count
        let middle = place == count - 1 ? count - 1 : count / 2
        let tail = Chunk(keys: chunks[chunk].keys.split(at: middle), values: Array(chunks[chunk].values[middle...]))
        chunks[chunk].values.removeSubrange(middle...)
        chunks.insert(tail, at: chunk + 1)
        firsts?.insert(tail.keys[0], at: chunk + 1)
    }

    func place(of key: Key) -> Place {
        guard let first = firsts?.place(of: key), !chunks.isEmpty else { return Place(chunk: 0, at: 0, isTaken: false) }
        let chunk = max(0, first.isTaken ? first.at : first.at - 1)
        let (at, isTaken) = chunks[chunk].keys.place(of: key)
        return Place(chunk: chunk, at: at, isTaken: isTaken)
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
