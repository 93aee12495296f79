/// How long to wait before the next dial: at once after a connection that held, then twice as long each time,
/// always a random part of it less, so that members do not dial in step.
struct Backoff {
    let first: Duration
    let most: Duration
    private var failures = 0

    init(first: Duration, most: Duration) {
        self.first = first
        self.most = most
    }

    mutating func reset() { failures = 0 }

    mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        defer { failures += 1 }
        guard failures > 0 else { return .zero }
        let whole = min(first * (1 << min(failures - 1, 16)), most)
        return whole * Double.random(in: 0.5...1, using: &random)
    }
}
