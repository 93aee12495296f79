import Host
import Raft

/// What a log's directory held when it was opened.
struct FoundLog: ~Copyable {
    var log: Log
    /// What comes before `entries`.
    var base: Position
    /// All after what the machine has applied, and some before.
    var entries: [Entry]
    /// There was a log: it was not begun now.
    var isOld: Bool
}

extension Log {
    /// What to begin a log with where there is none.
    struct Beginning: Sendable {
        var after: Position
        var hardState: HardState
        /// Sets the log apart from others; random.
        var identity: UInt64
    }

    /// Opens the log in `directory`, which exists, or begins one.
    /// - Parameters:
    ///   - applied: all entries after this index are answered, and some before it.
    ///   - retainedBytesMax: about so many bytes of them.
    /// - Throws: `.corrupt` when what was durable is damaged.
    static func open(
        _ directory: String, disk: any Disk, segmentBytes: Int, beginning: Beginning, applied: UInt64, retainedBytesMax: Int
    ) throws(ReplicaError) -> FoundLog {
        let size = min(max(segmentBytes, 4096), 16 << 20)
        var scan = LogScan(directory: directory)
        var kept = Tail(applied: applied, bytesMax: retainedBytesMax)
        try scan.run(disk, keepAfter: 0) { kept.add($1, of: $0) }
        let spare = SpareSegment(disk: disk, directory: directory, bytes: size)
        try translating { () throws(DiskError) in try spare.recover() }
        var log = Log(
            directory: directory, disk: disk, spare: spare, segmentBytes: size,
            header: SegmentHeader(
                log: beginning.identity, sequence: 0, previous: beginning.after, previousEnd: 0, hardState: beginning.hardState))
        let isOld = !scan.segments.isEmpty
        try log.resume(scan)
        return FoundLog(log: log, base: kept.base ?? log.terms.base, entries: kept.entries, isOld: isOld)
    }

    /// The end of a log as it is read, segment by segment: what is old goes as soon as the rest is enough.
    private struct Tail {
        private struct Part {
            var previous: Position
            var entries: [Entry]
            var bytes: Int
        }

        let applied: UInt64
        let bytesMax: Int
        private var parts: [Part] = []

        init(applied: UInt64, bytesMax: Int) {
            self.applied = applied
            self.bytesMax = bytesMax
        }

        var base: Position? { parts.first?.previous }
        var entries: [Entry] { parts.flatMap(\.entries) }

        mutating func add(_ entries: [Entry], of header: SegmentHeader) {
            let previous = header.previous
            // After a snapshot the log begins anew: what is before may never have been committed.
            if header.origin == .restores { parts.removeAll() }
            // What is not followed is replaced.
            while let part = parts.last, part.previous.index >= previous.index { parts.removeLast() }
            if let last = parts.indices.last {
                let end = parts[last].entries.last?.position ?? parts[last].previous
                if end.index > previous.index {
                    parts[last].entries.removeLast(Int(end.index - previous.index))
                } else if end.index < previous.index {
                    parts.removeAll()
                }
            }
            parts.append(Part(previous: previous, entries: entries, bytes: entries.reduce(0) { $0 + $1.bytes.count + 48 }))
            var later = parts.dropFirst().reduce(0) { $0 + $1.bytes }
            while parts.count > 1, parts[1].previous.index <= applied, later >= bytesMax {
                later -= parts[1].bytes
                parts.removeFirst()
            }
        }
    }
}
