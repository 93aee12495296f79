extension ConfigurationChange {
    /// ```
    /// transition  1 byte; 0x80 more where there is a base
    /// steps       1 byte, how many
    /// step        9 bytes each: kind 1, member 8 (little-endian)
    /// base        8 bytes (little-endian), where there is one
    /// context     the rest
    /// ```
    /// At most 255 steps. A base is in what is proposed only: the leader that takes it leaves it out of the log.
    package var encoded: [UInt8] {
        precondition(steps.count <= 255, "a configuration change of \(steps.count) steps; 255 fit")
        var bytes: [UInt8] = [transition.rawValue | (base == nil ? 0 : Self.hasBase), UInt8(steps.count)]
        bytes.reserveCapacity(2 + 9 * steps.count + 8 + context.count)
        func add(_ number: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
        }
        for step in steps {
            bytes.append(step.kind.rawValue)
            add(step.id)
        }
        if let base { add(base) }
        return bytes + context
    }

    static let hasBase: UInt8 = 0x80

    /// Nil when the bytes are no change.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count >= 2, let transition = Transition(rawValue: bytes[0] & ~Self.hasBase) else { return nil }
        let end = 2 + 9 * Int(bytes[1])
        let rest = bytes[0] & Self.hasBase != 0 ? end + 8 : end
        guard bytes.count >= rest else { return nil }
        func number(_ at: Int) -> UInt64 { (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) } }
        var steps: [Step] = []
        for at in stride(from: 2, to: end, by: 9) {
            guard let kind = Step.Kind(rawValue: bytes[at]) else { return nil }
            steps.append(Step(kind, number(at + 1)))
        }
        self.init(steps, transition: transition, base: rest > end ? number(end) : nil, context: Array(bytes[rest...]))
    }
}
