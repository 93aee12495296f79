import Raft

/// Reads the records of one segment and decides where they end, and whether that end is a torn write or damage.
struct SegmentScan {
    enum End: Hashable {
        /// The records end here as they should.
        case clean
        /// A batch that was never synced begins here; it and what follows may be overwritten.
        case torn
        /// What was once durable is damaged here.
        case damaged(String)
    }

    let header: SegmentHeader
    /// Entries and hard states of whole batches, in order.
    private(set) var entries: [Entry] = []
    private(set) var last: Position
    /// The first entry of each term here.
    private(set) var starts: [Position] = []
    private(set) var hardState: HardState
    private(set) var records = 0
    /// After the last whole batch. Where `end` is `.damaged`: where the damage begins.
    private(set) var offset = SegmentHeader.size
    private(set) var end = End.clean
    /// How far anything of this segment's own reaches; at least `offset`.
    private(set) var reach = SegmentHeader.size
    /// The window of the last whole batch; 0 before the first.
    private(set) var window: UInt32 = 0
    /// Whether a mark follows the last whole batch. It lies before `offset`.
    private(set) var isMarked = false

    /// - Parameters:
    ///   - bytes: the segment file.
    ///   - knownEnd: where the next segment says that this one's records end; nil for the log's last segment.
    ///   - keepAfter: entries up to this index are checked and not kept.
    init(_ bytes: [UInt8], header: SegmentHeader, knownEnd: Int?, keepAfter: UInt64) {
        self.header = header
        last = header.previous
        hardState = header.hardState
        let limit = knownEnd ?? bytes.count
        var batch = Batch(last: last, hardState: hardState)
        var at = offset
        var previous: RecordHeader?
        walk: while at < limit, let record = RecordHeader.read(bytes, at: at, seed: header.seed),
            record.window == Self.window(after: previous), at + record.span <= limit,
            record.payloadIsWhole(bytes, at: at, seed: header.seed)
        {
            if let why = batch.add(record, bytes, at: at, keepAfter: keepAfter) {
                stop(at, .damaged(why))
                return
            }
            at += record.span
            previous = record
            if batch.hasOnlyMarks { acceptMark(&batch, end: at) }
            if record.isLast { accept(&batch, window: record.window, end: at) }
        }
        judge(bytes, from: at, knownEnd: knownEnd, previous: previous, batch: batch)
    }

    private static func window(after previous: RecordHeader?) -> UInt32 {
        guard let previous else { return 1 }
        return previous.isLast ? previous.window + 1 : previous.window
    }

    private mutating func acceptMark(_ batch: inout Batch, end: Int) {
        records += batch.records
        batch.clear()
        offset = end
        reach = end
        isMarked = true
    }

    private mutating func accept(_ batch: inout Batch, window: UInt32, end: Int) {
        entries += batch.entries
        starts += batch.starts
        last = batch.last
        hardState = batch.hardState
        records += batch.records
        offset = end
        reach = end
        self.window = window
        isMarked = false
        batch.clear()
    }

    private mutating func judge(_ bytes: [UInt8], from at: Int, knownEnd: Int?, previous: RecordHeader?, batch: Batch) {
        if let knownEnd {
            if at == knownEnd, batch.records == 0, bytes.count >= knownEnd { return stop(at, .clean) }
            return stop(min(at, bytes.count), .damaged("a record is not what was written"))
        }
        let later = Self.headers(bytes, from: at, seed: header.seed)
        if later.windowMax > Self.window(after: previous) {
            return stop(at, .damaged("a record is not what was written, and later ones prove that it was synced"))
        }
        reach = max(offset, at, later.reach)
        end = reach > offset ? .torn : .clean
    }

    private mutating func stop(_ at: Int, _ end: End) {
        offset = at
        reach = max(reach, at)
        self.end = end
    }

    /// All headers of this segment from `start` on, wherever they lie. Records begin at multiples of eight.
    private static func headers(_ bytes: [UInt8], from start: Int, seed: UInt32) -> (windowMax: UInt32, reach: Int) {
        var windowMax: UInt32 = 0
        var reach = start
        bytes.withUnsafeBytes { raw in
            var at = start
            while at + RecordHeader.size <= raw.count {
                // Most of an unfinished segment is zeros, which are no record of any seed: their kind is 0.
                if raw.loadUnaligned(fromByteOffset: at, as: UInt64.self) != 0,
                    let record = RecordHeader.read(bytes, at: at, seed: seed)
                {
                    windowMax = max(windowMax, record.window)
                    reach = max(reach, min(at + record.span, raw.count))
                }
                at += 8
            }
        }
        return (windowMax, reach)
    }

    /// Records since the last whole batch.
    private struct Batch {
        var entries: [Entry] = []
        var starts: [Position] = []
        var last: Position
        var hardState: HardState
        var records = 0
        var hasOnlyMarks = true
        /// Of the whole segment.
        var hasEntries = false

        mutating func clear() {
            entries.removeAll()
            starts.removeAll()
            records = 0
            hasOnlyMarks = true
        }

        /// Answers why a well-formed record cannot be at this place.
        mutating func add(_ record: RecordHeader, _ bytes: [UInt8], at offset: Int, keepAfter: UInt64) -> String? {
            records += 1
            if record.kind != .mark { hasOnlyMarks = false }
            switch record.kind {
            case .mark: break
            case .hardState:
                guard record.term >= hardState.term else { return "term \(record.term) follows term \(hardState.term)" }
                hardState = HardState(term: record.term, vote: record.index)
            case .entry, .configuration:
                guard record.index == last.index + 1 else { return "entry \(record.index) follows entry \(last.index)" }
                guard record.term >= last.term, record.term <= hardState.term else {
                    return "entry \(record.index) has term \(record.term), which cannot be here"
                }
                let position = Position(index: record.index, term: record.term)
                if last.term != record.term || !hasEntries { starts.append(position) }
                hasEntries = true
                last = position
                guard record.index > keepAfter, let kind = record.kind.entry else { break }
                let payload = offset + RecordHeader.size
                entries.append(
                    Entry(
                        index: record.index, term: record.term, kind: kind,
                        bytes: Array(bytes[payload..<payload + record.length])))
            }
            return nil
        }
    }
}
