/// Knows, from outside and by true time, how long each lease must last at the least: from the moment its grant or last
/// renewal took effect anywhere, and again from the beginning of the leadership that ends it, for then nobody knows what
/// was left (etcd: leases are extended on a change of leader; a checkpoint says what was left).
struct LeaseClock {
    private struct Life {
        var seconds: Int64
        /// When it was granted or renewed last.
        var since: Micros
        /// What was left when a checkpoint said so.
        var left: Int64
        /// The index of the entry that granted or renewed it last.
        var entry: UInt64
    }

    private var lives: [Int64: Life] = [:]

    mutating func grant(_ lease: Int64, seconds: Int64, entry: UInt64, at time: Micros) {
        lives[lease] = Life(seconds: seconds, since: time, left: seconds, entry: entry)
    }

    mutating func renew(_ lease: Int64, entry: UInt64, at time: Micros) {
        guard let life = lives[lease] else { return }
        lives[lease] = Life(seconds: life.seconds, since: time, left: life.seconds, entry: entry)
    }

    /// The entry that granted or last renewed a lease.
    func renewal(of lease: Int64) -> UInt64? { lives[lease]?.entry }

    /// - Returns: what is wrong with so many seconds being left now, if anything.
    mutating func checkpoint(_ lease: Int64, left: Int64, at time: Micros, haste: Int64) -> String? {
        guard let life = lives[lease] else { return nil }
        lives[lease]?.left = left
        guard time - life.since + .seconds(Int(left)) < Self.least(life.seconds, haste) else { return nil }
        return "lease \(lease) of \(life.seconds) s is said to have \(left) s left \(time - life.since) µs after it was granted or renewed"
    }

    /// How long so many seconds of a leader's clock last at the least.
    private static func least(_ seconds: Int64, _ haste: Int64) -> Micros { .seconds(Int(seconds)) * 100 / (100 + haste) - .milliseconds(60) }

    mutating func revoke(_ lease: Int64) { lives[lease] = nil }

    /// - Parameters:
    ///   - ledSince: when the leader whose entry ends the lease began to lead.
    ///   - haste: how much faster than true time the fastest clock may run, in percent.
    /// - Returns: what is wrong with the lease ending now, if anything.
    mutating func expire(_ lease: Int64, at time: Micros, ledSince: Micros, haste: Int64) -> String? {
        guard let life = lives.removeValue(forKey: lease) else { return "lease \(lease) ended, but was not there" }
        if time - life.since < Self.least(life.seconds, haste) {
            return "lease \(lease) of \(life.seconds) s ended \(time - life.since) µs after it was granted or renewed"
        }
        if time - ledSince < Self.least(life.left, haste) {
            return "lease \(lease) with \(life.left) s left ended \(time - ledSince) µs after its leader began to lead"
        }
        return nil
    }
}
