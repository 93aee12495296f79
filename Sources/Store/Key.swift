import Glibc

/// A key: bytes, ordered as bytes.
package struct Key: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    package var bytes: [UInt8]

    @inlinable package init(_ bytes: [UInt8]) { self.bytes = bytes }
    package init(_ text: String) { bytes = Array(text.utf8) }
    package init(stringLiteral text: String) { self.init(text) }

    @inlinable package static func < (a: Key, b: Key) -> Bool { a.compare(b) < 0 }

    /// Negative when this key comes before the other, 0 when they are equal.
    @inlinable package func compare(_ other: Key) -> Int {
        bytes.withUnsafeBytes { mine in
            other.bytes.withUnsafeBytes { theirs in
                let shared = min(mine.count, theirs.count)
                guard shared > 0, let a = mine.baseAddress, let b = theirs.baseAddress else { return mine.count - theirs.count }
                let order = memcmp(a, b, shared)
                return order != 0 ? Int(order) : mine.count - theirs.count
            }
        }
    }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The first key after every key that begins with this one; nil when there is none (all 0xff).
    package var prefixEnd: Key? {
        guard let last = bytes.lastIndex(where: { $0 < 0xff }) else { return nil }
        var end = Array(bytes[...last])
        end[last] += 1
        return Key(end)
    }
}

/// The keys from `lower` up to but not including `upper`; without `upper`, to the end.
package struct KeyRange: Hashable, Sendable {
    package var lower: Key
    package var upper: Key?

    package init(lower: Key, upper: Key?) {
        self.lower = lower
        self.upper = upper
    }

    package static func single(_ key: Key) -> KeyRange { KeyRange(lower: key, upper: Key(key.bytes + [0])) }

    /// Whether there is room for one key only.
    package var isSingle: Bool {
        guard let upper, upper.bytes.count == lower.bytes.count + 1 else { return false }
        return upper.bytes.last == 0 && upper.bytes.starts(with: lower.bytes)
    }
    package static func prefix(_ key: Key) -> KeyRange { KeyRange(lower: key, upper: key.prefixEnd) }
    package static let all = KeyRange(lower: Key([]), upper: nil)

    package func contains(_ key: Key) -> Bool {
        guard key >= lower else { return false }
        guard let upper else { return true }
        return key < upper
    }
}
