/// Reads little-endian numbers and byte strings; every read that would pass the end is nil and moves nothing.
package struct ByteReader: Sendable {
    @usableFromInline let bytes: [UInt8]
    @usableFromInline package internal(set) var offset: Int
    @usableFromInline let end: Int

    /// - Parameter range: the part to read; clamped to the array. All of it when nil.
    @inlinable package init(_ bytes: [UInt8], in range: Range<Int>? = nil) {
        let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    @inlinable package var remaining: Int { end - offset }

    @inlinable @inline(__always) package mutating func read<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number? {
        let size = MemoryLayout<Number>.size
        guard size <= remaining else { return nil }
        let number = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
        offset += size
        return Number(littleEndian: number)
    }

    /// At most ten bytes; a number past 64 bits or with needless trailing zeros is nil.
    @inlinable package mutating func readVarint() -> UInt64? {
        var number: UInt64 = 0
        var at = offset
        for shift in stride(from: 0, to: 70, by: 7) {
            guard at < end else { return nil }
            let byte = bytes[at]
            at += 1
            if shift == 63, byte > 1 { return nil }
            number |= UInt64(byte & 0x7F) << UInt64(shift)
            guard byte & 0x80 == 0 else { continue }
            if byte == 0, shift > 0 { return nil }
            offset = at
            return number
        }
        return nil
    }

    @inlinable package mutating func read(count: Int) -> [UInt8]? {
        guard count >= 0, count <= remaining else { return nil }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// A varint length, then so many bytes.
    @inlinable package mutating func readPrefixed() -> [UInt8]? {
        let start = offset
        guard let length = readVarint(), length <= UInt64(remaining), let content = read(count: Int(length)) else {
            offset = start
            return nil
        }
        return content
    }
}
