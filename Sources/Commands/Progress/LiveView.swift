/// Lines that are drawn over their predecessors on a terminal. The cursor rests below the last one,
/// so that an interrupted command leaves the screen in order.
struct LiveView {
    private var drawn = 0

    init() {}

    /// What to write so that the lines stand where the last ones stood.
    mutating func draw(_ lines: [String]) -> String {
        let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        drawn = lines.count
        return up + lines.map { "\r\($0)\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}
