extension ConfigurationChange {
    /// ```
    /// transition  1 byte
    /// steps       1 byte, how many
    /// step        9 bytes each: kind 1, member 8 (little-endian)
    /// context     the rest
    /// ```
    /// At most 255 steps.
    package var encoded: [UInt8] {
        precondition(steps.count <= 255, "a configuration change of \(steps.count) steps; 255 fit")
        var bytes: [UInt8] = [transition.rawValue, UInt8(steps.count)]
        bytes.reserveCapacity(2 + 9 * steps.count + context.count)
        for step in steps {
            bytes.append(step.kind.rawValue)
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: step.id >> UInt64(shift))) }
        }
        return bytes + context
    }

    /// Nil when the bytes are no change.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count >= 2, let transition = Transition(rawValue: bytes[0]) else { return nil }
        let end = 2 + 9 * Int(bytes[1])
        guard bytes.count >= end else { return nil }
        var steps: [Step] = []
        for at in stride(from: 2, to: end, by: 9) {
            guard let kind = Step.Kind(rawValue: bytes[at]) else { return nil }
            let id = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[at + 1 + $1]) << UInt64(8 * $1) }
            steps.append(Step(kind, id))
        }
        self.init(steps, transition: transition, context: Array(bytes[end...]))
    }
}
