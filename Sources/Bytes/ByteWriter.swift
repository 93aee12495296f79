/// Appends little-endian numbers and byte strings to an array.
package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8] = []

    @inlinable package init() {}

    @inlinable package mutating func write<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Seven bits a byte, the lowest first, the top bit set on all but the last (LEB128).
    @inlinable package mutating func writeVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    @inlinable package mutating func write(_ content: [UInt8]) { bytes.append(contentsOf: content) }

    /// The length as a varint, then the bytes.
    @inlinable package mutating func writePrefixed(_ content: [UInt8]) {
        writeVarint(UInt64(content.count))
        write(content)
    }

    @inlinable package mutating func writeZeros(_ count: Int) {
        bytes.append(contentsOf: repeatElement(0, count: count))
    }

    /// Writes over what is already there, for lengths and checksums known only later.
    @inlinable package mutating func overwrite<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<Number>.size <= bytes.count, "overwrites past the end")
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self) }
    }

    @inlinable package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}
