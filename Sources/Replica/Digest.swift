import Bytes

/// A checksum of 64 bits over a file that is read part by part: two CRC-32C, one of the bytes and one of every
/// chunk's CRC with its length in order. It finds accidents; who may write to us is the transport's concern.
///
/// All parts but the last must have the same length, a divisor of 1 MiB and at least 4 KiB or the same as before:
/// the value depends on the bytes only, as they are folded in blocks of 4 KiB.
struct Digest: Hashable, Sendable {
    private static let block = 4096
    private var sums: UInt32 = 0
    private var mixed: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var count: UInt64 = 0
    /// What is no whole block yet.
    private var rest: [UInt8] = []

    mutating func add(_ bytes: [UInt8]) {
        var at = 0
        if !rest.isEmpty {
            at = min(Self.block - rest.count, bytes.count)
            rest += bytes[..<at]
            guard rest.count == Self.block else { return }
            fold(CRC32C.checksum(rest), bytes: Self.block)
            rest.removeAll(keepingCapacity: true)
        }
        while at + Self.block <= bytes.count {
            fold(CRC32C.checksum(bytes, in: at..<at + Self.block), bytes: Self.block)
            at += Self.block
        }
        rest += bytes[at...]
    }

    var value: UInt64 {
        var copy = self
        copy.fold(CRC32C.checksum(rest), bytes: rest.count)
        return (copy.mixed ^ copy.mixed >> 29) &* 0xBF58_476D_1CE4_E5B9 ^ copy.count
    }

    private mutating func fold(_ sum: UInt32, bytes: Int) {
        count += UInt64(bytes)
        mixed = (mixed ^ UInt64(sum)) &* 0x94D0_49BB_1331_11EB
        mixed = mixed << 27 | mixed >> 37
    }
}
