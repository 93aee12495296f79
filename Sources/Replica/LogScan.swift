import Host
import Raft

/// Reads a log's directory without changing it, two segments in memory at a time.
struct LogScan {
    struct Segment {
        var name: String
        var header: SegmentHeader
        /// Index of its last entry; `header.previous.index` when it holds none.
        var last: Position
        var records: Int
        /// Where its records end, in bytes.
        var end: Int
    }

    let directory: String
    private(set) var segments: [Segment] = []
    private(set) var hardState = HardState()
    private(set) var terms = Terms(base: .start)
    /// How far torn bytes reach in the last segment; its `end` when there are none.
    private(set) var reach = 0
    /// The window of the last whole batch in the last segment.
    private(set) var window: UInt32 = 0
    /// Whether a mark follows that batch.
    private(set) var isMarked = false

    init(directory: String) { self.directory = directory }

    var base: Position { terms.base }
    var last: Position { terms.last }

    /// - Parameters:
    ///   - keepAfter: entries up to this index are checked and not given.
    ///   - each: a segment's header, and its entries: what was given from those on that they follow is replaced, or of another log's life.
    /// After a throw holds what was read before the problem.
    mutating func run(
        _ disk: any Disk, keepAfter: UInt64 = .max, each: (SegmentHeader, [Entry]) -> Void = { _, _ in }
    ) throws(ReplicaError) {
        let names = try translating { () throws(DiskError) in try disk.list(directory) }
            .filter { SegmentHeader.sequence(of: $0) != nil }
        var next: Content?
        for (at, name) in names.enumerated() {
            let content = if let next { next } else { try read(name, disk) }
            next = at + 1 < names.count ? try read(names[at + 1], disk) : nil
            if let next { try link(next.header, names[at + 1], after: content.header) }
            try follow(content.header, name)
            let scan = SegmentScan(
                content.bytes, header: content.header, knownEnd: next.map { Int(clamping: $0.header.previousEnd) },
                keepAfter: keepAfter)
            try take(scan, name)
            each(content.header, scan.entries)
        }
    }

    private struct Content {
        var bytes: [UInt8]
        var header: SegmentHeader
    }

    private func read(_ name: String, _ disk: any Disk) throws(ReplicaError) -> Content {
        let path = "\(directory)/\(name)"
        let bytes = try translating { () throws(DiskError) in
            let file = try disk.open(path, .read)
            return try file.read(at: 0, count: Int(file.size()))
        }
        let header: SegmentHeader
        do throws(FormatProblem) { header = try SegmentHeader.read(bytes) } catch { throw refusal(name, error.why) }
        guard header.fileName == name else { throw refusal(name, "it was written as \(header.fileName)") }
        return Content(bytes: bytes, header: header)
    }

    /// Checks that a segment's file is the one after another.
    private func link(_ header: SegmentHeader, _ name: String, after before: SegmentHeader) throws(ReplicaError) {
        guard header.log == before.log else { throw refusal(name, "it belongs to another log") }
        guard header.sequence == before.sequence + 1 else {
            throw refusal(name, "\(SegmentHeader.fileName(before.sequence + 1)) before it is missing")
        }
    }

    /// Checks that its entries go on as it says.
    private mutating func follow(_ header: SegmentHeader, _ name: String) throws(ReplicaError) {
        let previous = header.previous
        guard !segments.isEmpty else { return terms = Terms(base: previous) }
        guard header.hardState == hardState else {
            throw refusal(name, "it says term \(header.hardState.term), but the segment before ends with \(hardState.term)")
        }
        switch header.origin {
        case .continues:
            guard previous == last else {
                throw refusal(name, "it follows entry \(previous.index), but the segment before ends with \(last.index)")
            }
        case .replaces where previous.index < base.index:
            // What it follows was cut away with an older segment.
            terms = Terms(base: previous)
        case .replaces:
            guard previous.index <= last.index, terms.term(at: previous.index) == previous.term else {
                throw refusal(name, "it replaces what follows entry \(previous.index) of term \(previous.term), which is not there")
            }
            terms.truncate(after: previous.index)
        case .restores:
            terms = Terms(base: previous)
        }
    }

    private func refusal(_ name: String, _ why: String) -> ReplicaError {
        .corrupt(file: "\(directory)/\(name)", offset: 0, why)
    }

    private mutating func take(_ scan: SegmentScan, _ name: String) throws(ReplicaError) {
        segments.append(
            Segment(name: name, header: scan.header, last: scan.last, records: scan.records, end: scan.offset))
        for position in scan.starts { terms.append(position) }
        terms.append(scan.last)
        hardState = scan.hardState
        reach = scan.reach
        window = scan.window
        isMarked = scan.isMarked
        if case .damaged(let why) = scan.end {
            throw .corrupt(file: "\(directory)/\(name)", offset: UInt64(scan.offset), why)
        }
    }
}

/// Gives a disk's error as the replica's.
func translating<Answer>(_ body: () throws(DiskError) -> Answer) throws(ReplicaError) -> Answer {
    do throws(DiskError) { return try body() } catch { throw ReplicaError(error) }
}

/// The same where a retry proves nothing: even a full disk ends the process.
func fatally<Answer>(_ body: () throws(DiskError) -> Answer) throws(ReplicaError) -> Answer {
    do throws(DiskError) { return try body() } catch { throw .storage(error.description) }
}
