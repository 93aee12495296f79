import Host

/// What is found in a log's directory, without changing it. A log in use may show a torn tail that is only
/// being written.
package struct LogCheck: Sendable, CustomStringConvertible {
    package struct Segment: Hashable, Sendable {
        package var file: String
        /// The indexes of its entries; empty when it holds none.
        package var entries: Range<UInt64>
        /// Entries, hard states and marks.
        package var records: Int
        /// Where its records end, in bytes.
        package var end: Int
    }

    package private(set) var segments: [Segment] = []
    package private(set) var records = 0
    package private(set) var lastIndex: UInt64 = 0
    package private(set) var term: UInt64 = 0
    /// Bytes of a batch that was never acknowledged; the next start overwrites them.
    package private(set) var tornBytes = 0
    /// The first problem. Later segments are not read then.
    package private(set) var problem: ReplicaError?

    package static func run(_ directory: String, disk: any Disk = SystemDisk()) -> LogCheck {
        var scan = LogScan(directory: directory)
        var check = LogCheck()
        do throws(ReplicaError) { try scan.run(disk) } catch { check.problem = error }
        for segment in scan.segments {
            let first = segment.header.previous.index + 1
            check.segments.append(
                Segment(
                    file: "\(directory)/\(segment.name)", entries: first..<max(first, segment.last.index + 1),
                    records: segment.records, end: segment.end))
            check.records += segment.records
        }
        check.lastIndex = scan.last.index
        check.term = scan.hardState.term
        if check.problem == nil, let last = scan.segments.last { check.tornBytes = max(0, scan.reach - last.end) }
        return check
    }

    package var description: String {
        var lines = segments.map { segment in
            let entries = segment.entries.isEmpty
                ? "no entries" : "entries \(segment.entries.lowerBound) to \(segment.entries.upperBound - 1)"
            return "\(segment.file): \(entries), \(segment.records) records, \(segment.end) bytes"
        }
        if tornBytes > 0 { lines.append("the last \(tornBytes) bytes were never acknowledged and will be overwritten") }
        lines.append(problem.map { "problem: \($0)" } ?? "no problem found; last entry \(lastIndex), term \(term)")
        return lines.joined(separator: "\n")
    }
}
