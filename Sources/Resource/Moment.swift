import Foundation

/// A point in time to the millisecond, for spans that are measured; dates of records are whole seconds.
///
/// Written as Kubernetes writes its MicroTime, with three digits: "2026-01-31T12:00:00.250Z". What is read is what was
/// written, digit by digit, so that a status that holds one stays equal to itself.
package struct Moment: Hashable, Comparable, Sendable {
    /// Since 1970.
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The beginning of 1970.
    package static let start = Moment(milliseconds: 0)

    /// The nearest one.
    package init(_ date: Date) { milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded()) }

    /// "2026-01-31T12:00:00Z", with or without a fraction of a second.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2 else {
            guard let date = try? Date(text, strategy: .iso8601) else { return nil }
            self.init(date)
            return
        }
        let digits = parts[1].prefix { $0.isASCII && $0.isNumber }
        guard let date = try? Date(parts[0] + parts[1].dropFirst(digits.count), strategy: .iso8601), let fraction = Int64((digits + "000").prefix(3)) else { return nil }
        self.init(milliseconds: Moment(date).milliseconds + fraction)
    }

    package var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    package static func < (a: Moment, b: Moment) -> Bool { a.milliseconds < b.milliseconds }

    package func seconds(since other: Moment) -> Double { Double(milliseconds - other.milliseconds) / 1000 }
}

extension Moment: Codable, CustomStringConvertible {
    package var description: String {
        let seconds = Int64((Double(milliseconds) / 1000).rounded(.down)), fraction = String(milliseconds - seconds * 1000)
        let whole = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        return whole.dropLast() + "." + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction + "Z"
    }

    package init(from decoder: any Decoder) throws {
        let place = try decoder.singleValueContainer()
        let text = try place.decode(String.self)
        guard let moment = Moment(text) else { throw DecodingError.dataCorruptedError(in: place, debugDescription: "\(text) is no point in time") }
        self = moment
    }

    package func encode(to encoder: any Encoder) throws {
        var place = encoder.singleValueContainer()
        try place.encode(description)
    }
}
