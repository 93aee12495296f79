/// What happened, for a person who replays a seed.
struct Trace {
    var isOn: Bool
    /// The newest lines, for the report of a failure.
    private(set) var tail: [String] = []
    private let keeps: Int

    init(isOn: Bool, keeps: Int = 0) {
        self.isOn = isOn
        self.keeps = keeps
    }

    mutating func callAsFunction(_ time: Micros, _ line: @autoclosure () -> String) {
        guard isOn || keeps > 0 else { return }
        let seconds = time / 1_000_000
        let rest = String(time % 1_000_000)
        let text = "\(seconds).\(String(repeating: "0", count: 6 - rest.count))\(rest) \(line())"
        if isOn { print(text) }
        if keeps > 0 {
            tail.append(text)
            if tail.count > 2 * keeps { tail.removeFirst(keeps) }
        }
    }
}
