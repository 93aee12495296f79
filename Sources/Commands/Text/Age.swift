import Foundation

/// How long something lasted, in Kubernetes' style: two units while the first is small, one after.
func humanDuration(seconds: Int) -> String {
    func pair(_ first: Int, _ firstUnit: String, _ second: Int, _ secondUnit: String) -> String {
        second == 0 ? "\(first)\(firstUnit)" : "\(first)\(firstUnit)\(second)\(secondUnit)"
    }
    if seconds <= 0 { return "0s" }
    if seconds < 120 { return "\(seconds)s" }
    let minutes = seconds / 60
    if minutes < 10 { return pair(minutes, "m", seconds % 60, "s") }
    if minutes < 180 { return "\(minutes)m" }
    let hours = minutes / 60
    if hours < 8 { return pair(hours, "h", minutes % 60, "m") }
    if hours < 48 { return "\(hours)h" }
    let days = hours / 24
    if hours < 192 { return pair(days, "d", hours % 24, "h") }
    if days < 730 { return "\(days)d" }
    if days < 2920 { return pair(days / 365, "y", days % 365, "d") }
    return "\(days / 365)y"
}

/// The age of something that began at `start`; a record without a time has none.
func age(since start: Date, now: Date) -> String {
    start.timeIntervalSince1970 <= 0 ? "<unknown>" : humanDuration(seconds: Int(now.timeIntervalSince(start).rounded(.down)))
}

/// RFC 3339 in UTC, whole seconds.
func timestamp(_ date: Date) -> String { date.formatted(.iso8601) }
