import CBytes

/// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: reflected polynomial 0x82F63B78, eight bytes a step; by the processor's
/// instruction where it has one.
package enum CRC32C {
    private static let hasInstruction = cbytes_has_crc32c() != 0

    /// - Parameter seed: the checksum so far, or any number that sets one use apart from another. For bytes of
    ///   equal length, two different seeds never give the same checksum of the same bytes.
    package static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0, seed: seed) }
    }

    /// - Parameter range: must lie within the array.
    package static func checksum(_ bytes: [UInt8], in range: Range<Int>, seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0[range]), seed: seed) }
    }

    package static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        guard hasInstruction, let start = bytes.baseAddress else { return tabled(bytes, seed: seed) }
        return ~cbytes_crc32c(~seed, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// The same by tables, on any processor.
    static func tabled(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var crc = ~seed
            var at = 0
            while at + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ UInt64(crc)
                crc = 0
                for lane in 0..<8 {
                    let byte = Int(truncatingIfNeeded: word >> UInt64(8 * lane)) & 0xFF
                    crc ^= tables[(7 - lane) << 8 | byte]
                }
                at += 8
            }
            while at < bytes.count {
                crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[at])) & 0xFF)]
                at += 1
            }
            return ~crc
        }
    }

    /// Table k, entry b: the remainder of byte b followed by k zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
            tables[byte] = crc
        }
        for at in 256..<2048 {
            let before = tables[at - 256]
            tables[at] = before >> 8 ^ tables[Int(before & 0xFF)]
        }
        return tables
    }()
}
