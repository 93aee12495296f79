/// Walks over the elements of DER, each a tag, a length and a content (X.690 §8.1); every step is bounded by what is there. Tags of
/// more than one byte end it.
package struct DERReader: Sendable {
    private var bytes: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// Of the next element; nil at the end.
    package var tag: UInt8? { bytes.first }

    /// The elements within the next one, if it has this tag.
    package mutating func enter(_ wanted: UInt8) -> DERReader? {
        guard tag == wanted else { return nil }
        return value().map { DERReader($0) }
    }

    package mutating func skip() { _ = value() }

    /// The content of the next element.
    package mutating func value() -> ArraySlice<UInt8>? { element()?.value }

    /// The next element as it stands, and its content.
    package mutating func element() -> (whole: ArraySlice<UInt8>, value: ArraySlice<UInt8>)? {
        guard bytes.count >= 2, bytes[bytes.startIndex] & 0x1F != 0x1F else { return nil }
        var rest = bytes.dropFirst(2)
        var length = Int(bytes[bytes.startIndex + 1])
        if length >= 0x80 {
            let count = length - 0x80
            guard count >= 1, count <= 4, rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard rest.count >= length else { return nil }
        defer { bytes = rest.dropFirst(length) }
        return (bytes[bytes.startIndex..<rest.startIndex + length], rest.prefix(length))
    }
}
