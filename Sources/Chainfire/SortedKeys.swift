import Store

/// Keys in order, in an array that is moved when one comes between them. Keys that lie beside each other mostly begin alike: of each the
/// eight bytes after what all have in common are kept as a number, and looking for a key is looking for a number, which touches no keys
/// but those that have the same one.
struct SortedKeys: Sendable {
    private(set) var keys: [Key]
    private var marks: [UInt64]
    /// So many bytes all keys begin with alike, at least.
    private var shared: Int

    /// - Parameter keys: in order, and not empty.
    init(_ keys: [Key]) {
        self.keys = keys
        shared = Self.shared(keys[0], keys[keys.count - 1])
        marks = []
        marks = keys.map { Self.mark($0, after: shared) }
    }

    var count: Int { keys.count }
    var isEmpty: Bool { keys.isEmpty }

    subscript(at: Int) -> Key { keys[at] }

    /// Where a key is, or would be.
    func place(of key: Key) -> (at: Int, isTaken: Bool) {
        guard let first = keys.first else { return (0, false) }
        // One that does not begin alike comes before all, or after all.
        guard Self.shared(key, first, atMost: shared) == shared else { return (key < first ? 0 : keys.count, false) }
        let mark = Self.mark(key, after: shared)
        let (start, end) = marks.withUnsafeBufferPointer { marks in
            let start = partition(marks.count) { marks[$0] >= mark }
            // Mostly one has it, or none.
            guard start < marks.count, marks[start] == mark else { return (start, start) }
            let others = marks.count - start - 1
            guard others > 0, marks[start + 1] == mark else { return (start, start + 1) }
            return (start, start + 1 + partition(others) { marks[start + 1 + $0] > mark })
        }
        var isTaken = false
        let at = start + partition(end - start) { place in
            let order = keys[start + place].compare(key)
            isTaken = isTaken || order == 0
            return order >= 0
        }
        return (at, isTaken)
    }

    mutating func insert(_ key: Key, at place: Int) {
        keys.insert(key, at: place)
        guard beginsAlike(at: place) else { return self = SortedKeys(keys) }
        marks.insert(Self.mark(key, after: shared), at: place)
    }

    /// Another key in the place of one.
    mutating func replace(at place: Int, with key: Key) {
        keys[place] = key
        guard beginsAlike(at: place) else { return self = SortedKeys(keys) }
        marks[place] = Self.mark(key, after: shared)
    }

    /// Whether the key there begins as all others do. If not, less is alike from now on, which cannot happen often.
    private func beginsAlike(at place: Int) -> Bool {
        let other = place == 0 ? keys.count - 1 : 0
        return other != place && Self.shared(keys[place], keys[other], atMost: shared) == shared
    }

    mutating func remove(at place: Int) {
        keys.remove(at: place)
        marks.remove(at: place)
    }

    /// Cuts off all from a place on; some stay and some go.
    mutating func split(at place: Int) -> SortedKeys {
        let tail = SortedKeys(Array(keys[place...]))
        self = SortedKeys(Array(keys[..<place]))
        return tail
    }

    /// With how many bytes two keys begin alike.
    private static func shared(_ a: Key, _ b: Key, atMost most: Int = .max) -> Int {
        a.bytes.withUnsafeBufferPointer { a in
            b.bytes.withUnsafeBufferPointer { b in
                let most = min(a.count, b.count, most)
                var at = 0
                while at < most, a[at] == b[at] { at += 1 }
                return at
            }
        }
    }

    /// Eight bytes as a number that is ordered as they are; what is missing counts as zeros, and so two keys may have the same.
    private static func mark(_ key: Key, after shared: Int) -> UInt64 {
        key.bytes.withUnsafeBytes { bytes in
            let left = bytes.count - shared
            if left >= 8 { return UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: shared, as: UInt64.self)) }
            var mark: UInt64 = 0
            for at in shared..<max(shared, bytes.count) { mark = mark << 8 | UInt64(bytes[at]) }
            return left <= 0 ? 0 : mark << UInt64(8 * (8 - left))
        }
    }
}
