import Host
import Resource

extension Progress {
    /// The live view: one line for each object, cut to the width, and a line with the sum. When
    /// there are more objects than rows, those that are done are left out first.
    func lines(now: Instant, width: Int, height: Int, timeout: Duration?, isColored: Bool) -> [String] {
        let rowsMax = max(height - 2, 1)
        var shown = entries
        if shown.count > rowsMax {
            shown = Array((unmet + entries.filter { $0.sight?.isMet == true }).prefix(max(rowsMax - 1, 1)))
        }
        let nameWidth = entries.map { displayWidth(slug($0.reference)) }.max() ?? 0
        var lines = shown.map { line($0, now: now, nameWidth: nameWidth, width: width, isColored: isColored) }
        if shown.count < entries.count { lines.append(truncated("  … and \(entries.count - shown.count) more", to: width)) }
        lines.append(truncated(sum(now: now, timeout: timeout), to: width))
        return lines
    }

    /// `2 of 3 ready, 14s of 10m`
    func sum(now: Instant, timeout: Duration?) -> String {
        let done = entries.count - unmet.count
        let limit = timeout.map { " of \(elapsed($0))" } ?? ""
        return "\(done) of \(entries.count) \(word), \(elapsed(now - start))\(limit)"
    }

    /// One line for each object that is not there yet, with the reason.
    func reasons() -> [String] {
        unmet.map { entry in
            "  \(slug(entry.reference))  \(printable(entry.sight?.text ?? "not seen yet"))"
        }
    }

    /// What to say when waiting ends without success.
    func failure(after spent: Duration) -> Failure {
        let unmet = unmet
        let objects = entries.count == 1 ? "the object" : "\(unmet.count) of \(entries.count) objects"
        let verb = entries.count == 1 || unmet.count == 1 ? "is" : "are"
        let head =
            isHopeless
            ? "gave up after \(elapsed(spent)): \(objects) \(verb) not \(word), and nothing more will happen until you change something"
            : "timed out after \(elapsed(spent)): \(objects) \(verb) not \(word)"
        // Whoever waits on another is not the one to look at.
        let culprit = unmet.first { $0.sight?.waitsOn == nil } ?? unmet.first
        let hint = culprit.map { "look closer with: plasma describe \(slug($0.reference))" }
        return Failure(([head] + reasons() + [hint].compactMap { $0 }).joined(separator: "\n"))
    }

    private func line(_ entry: Entry, now: Instant, nameWidth: Int, width: Int, isColored: Bool) -> String {
        let name = slug(entry.reference)
        let time = elapsed((entry.metAt ?? now) - start)
        let style = entry.sight?.style ?? .dim
        let mark =
            switch (entry.sight?.isMet, style) {
            case (true?, _): "✓"
            case (_, .bad): "✗"
            default: "•"
            }
        let gap = String(repeating: " ", count: nameWidth - displayWidth(name))
        let lead = "\(mark) \(name)\(gap)  " + String(repeating: " ", count: max(6 - time.count, 0)) + time + "  "
        let rest = printable(entry.sight?.text ?? "…")
        guard displayWidth(lead) < width else { return truncated(lead + rest, to: width) }
        return lead + style.paint(truncated(rest, to: width - displayWidth(lead)), isColored: isColored)
    }

    private var word: String {
        let goals = Set(entries.map(\.goal))
        if goals == [.ready] { return "ready" }
        if goals == [.absent] { return "gone" }
        return "as wanted"
    }
}
