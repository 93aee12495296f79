/// A length of time in whole milliseconds: "90s", "10m", "2160h", "1h30m", "250ms". Units are d (24 hours), h, m,
/// s and ms, each at most once, the larger first, as in Go's durations (time.ParseDuration) but without fractions.
package struct TimeSpan: TextScalar, Comparable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(milliseconds: count * 1000) }
    package static func minutes(_ count: Int64) -> TimeSpan { .seconds(count * 60) }
    package static func hours(_ count: Int64) -> TimeSpan { .minutes(count * 60) }

    package var duration: Duration { .milliseconds(milliseconds) }

    package static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.milliseconds < b.milliseconds }

    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    package init(scalar text: String) throws(ScalarProblem) {
        guard !text.isEmpty else { throw ScalarProblem("is not a length of time; write one such as 90s or 1h30m") }
        if text.hasPrefix("-") { throw ScalarProblem("is negative; a length of time is 0 or more") }
        var total: Int64 = 0
        var rank = -1
        var rest = Substring(text)
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            rest = rest.dropFirst(digits.count)
            if rest.first == "." && !digits.isEmpty { throw ScalarProblem("has a fraction; use a smaller unit: 1h30m, 1500ms") }
            let name = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            rest = rest.dropFirst(name.count)
            guard !digits.isEmpty else { throw ScalarProblem("is not a length of time; write one such as 90s or 1h30m") }
            guard !name.isEmpty else { throw ScalarProblem("has no unit; write \(digits)s for seconds, \(digits)m for minutes") }
            guard let unit = TimeSpan.units.firstIndex(where: { $0.name == name }) else {
                throw ScalarProblem("has an unknown unit \(quoted(String(name))); known are d, h, m, s, ms")
            }
            guard unit > rank else { throw ScalarProblem("has its units out of order; write the larger first, each once: 1h30m") }
            rank = unit
            guard let count: Int64 = decimal(digits),
                case let (part, overflow) = count.multipliedReportingOverflow(by: TimeSpan.units[unit].milliseconds), !overflow,
                case let (sum, overflows) = total.addingReportingOverflow(part), !overflows
            else { throw ScalarProblem("is too long") }
            total = sum
        }
        milliseconds = total
    }

    /// In hours, minutes, seconds and milliseconds, those that are not zero: "2160h", "1h30m".
    package var scalarText: String {
        guard milliseconds > 0 else { return milliseconds == 0 ? "0s" : "-" + TimeSpan(milliseconds: -milliseconds).scalarText }
        var rest = milliseconds
        var text = ""
        for unit in TimeSpan.units.dropFirst() where rest >= unit.milliseconds {
            text += "\(rest / unit.milliseconds)\(unit.name)"
            rest %= unit.milliseconds
        }
        return text
    }

    package static var schema: JSON { ["type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2] }
    package static var example: TimeSpan { .seconds(90) }
}
