/// Latencies in buckets of under 1 % width, from 1 µs to hours: as exact as a benchmark is, and cheap to fill.
struct Histogram: Sendable {
    private static let subBits = 7
    private var buckets = [UInt64](repeating: 0, count: 64 << subBits)
    private(set) var count: UInt64 = 0

    mutating func add(nanoseconds: UInt64) {
        buckets[Self.bucket(nanoseconds)] += 1
        count += 1
    }

    mutating func add(_ other: Histogram) {
        for at in buckets.indices { buckets[at] += other.buckets[at] }
        count += other.count
    }

    /// Milliseconds that a share of all does not exceed (nearest rank); 0 when nothing was added.
    func at(_ share: Double) -> Double {
        let rank = max(1, UInt64((share * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for (at, some) in buckets.enumerated() {
            seen += some
            if seen >= rank, some > 0 { return Double(Self.upper(at)) / 1e6 }
        }
        return 0
    }

    private static func bucket(_ value: UInt64) -> Int {
        guard value >= 1 << subBits else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - subBits
        return (shift + 1) << subBits | Int(value >> shift & (1 << subBits - 1))
    }

    private static func upper(_ bucket: Int) -> UInt64 {
        guard bucket >= 1 << subBits else { return UInt64(bucket) }
        let shift = bucket >> subBits - 1
        return (1 << subBits | UInt64(bucket & (1 << subBits - 1))) << shift + (1 << shift - 1)
    }
}
