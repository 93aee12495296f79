/// A key: bytes, ordered as bytes.
package struct Key: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    package var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }
    package init(_ text: String) { bytes = Array(text.utf8) }
    package init(stringLiteral text: String) { self.init(text) }

    package static func < (a: Key, b: Key) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

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
    package static func prefix(_ key: Key) -> KeyRange { KeyRange(lower: key, upper: key.prefixEnd) }
    package static let all = KeyRange(lower: Key([]), upper: nil)

    package func contains(_ key: Key) -> Bool {
        guard key >= lower else { return false }
        guard let upper else { return true }
        return key < upper
    }
}
