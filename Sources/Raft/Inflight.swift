/// Messages with entries that were sent and not acknowledged, oldest first.
struct Inflight: Sendable {
    private struct Sent: Sendable {
        var last: UInt64
        var bytes: Int
    }

    private(set) var count = 0
    private(set) var bytes = 0
    private var ring: [Sent] = []
    private var head = 0

    var isEmpty: Bool { count == 0 }

    mutating func add(last: UInt64, bytes: Int) {
        if count == ring.count { grow() }
        ring[(head + count) & (ring.count - 1)] = Sent(last: last, bytes: bytes)
        count += 1
        self.bytes += bytes
    }

    mutating func acknowledge(through index: UInt64) {
        while count > 0, ring[head].last <= index {
            bytes -= ring[head].bytes
            head = (head + 1) & (ring.count - 1)
            count -= 1
        }
    }

    mutating func forget() {
        count = 0
        bytes = 0
    }

    private mutating func grow() {
        let wider = (0..<count).map { ring[(head + $0) & (ring.count - 1)] }
        let capacity = max(8, ring.count * 2)
        ring = wider + [Sent](repeating: Sent(last: 0, bytes: 0), count: capacity - count)
        head = 0
    }
}
