import Host
import Raft

/// The write-ahead log: segment files in one directory. One owner, no other thread; every call blocks on the disk.
///
/// Entries are replaced, and the log begins anew after a snapshot, by a new segment whose header says so: its name
/// appears at once or not at all.
///
/// After `.storage` is thrown the log must not be used again: what reached the disk is unknown.
struct Log: ~Copyable, Sendable {
    struct Segment {
        var name: String
        var previous: Position
        var origin: SegmentHeader.Origin
    }

    let directory: String
    let disk: any Disk
    let spare: SpareSegment
    let segmentBytes: Int
    private(set) var segments: [Segment] = []
    private(set) var terms: Terms
    private(set) var hardState = HardState()
    private var file: (any DiskFile)?
    private var header: SegmentHeader
    /// Where the next record goes.
    private(set) var end = SegmentHeader.size
    private var window: UInt32 = 1
    /// Bytes after `end` that a refused write may have left.
    private var leftover = 0
    private var markIsDue = false
    private var batch = BatchWriter()

    /// Begins a log without a segment; `resume` or `begin` makes it whole.
    init(directory: String, disk: any Disk, spare: SpareSegment, segmentBytes: Int, header: SegmentHeader) {
        self.directory = directory
        self.disk = disk
        self.spare = spare
        self.segmentBytes = segmentBytes
        self.header = header
        terms = Terms(base: header.previous)
        hardState = header.hardState
    }

    mutating func begin() throws(ReplicaError) { try roll(.continues, after: terms.base) }

    /// Goes on where a scan found the end.
    mutating func resume(_ scan: LogScan) throws(ReplicaError) {
        guard let current = scan.segments.last else { return try begin() }
        segments = scan.segments.map { Segment(name: $0.name, previous: $0.header.previous, origin: $0.header.origin) }
        terms = scan.terms
        hardState = scan.hardState
        header = current.header
        end = current.end
        window = scan.window + 1
        markIsDue = !scan.isMarked
        try mend(reach: scan.reach)
        // A crash may have come between a snapshot's installation and this.
        if let anew = segments.lastIndex(where: { $0.origin == .restores }), anew > 0 { try drop(first: anew) }
    }

    var last: Position { terms.last }
    var firstIndex: UInt64 { terms.base.index + 1 }

    /// Bytes of each segment that only hard states and what a leader appends by itself may use, so that a full disk
    /// does not keep a member from voting.
    var slack: Int { segmentBytes >= 16 << 10 ? 1024 : 512 }

    /// Largest entry that fits a segment beside a hard state.
    var entryBytesMax: Int {
        min(segmentBytes - SegmentHeader.size - slack - 3 * RecordHeader.size - 8, RecordHeader.lengthMax)
    }

    /// Bytes of records that always fit one batch, beside a hard state.
    var batchBytesMax: Int { segmentBytes - SegmentHeader.size - slack - RecordHeader.size }

    /// Whether a spare is worth preparing now.
    var wantsSpare: Bool { end > segmentBytes / 2 && spare.isMissing }

    /// Whether the entries, the first of which follows or replaces one of the log's, differ from those it holds.
    func isReplaced(by entries: [Entry]) -> Bool {
        guard let first = entries.first, first.index <= last.index else { return false }
        return entries.contains { $0.index <= last.index && $0.index > terms.base.index && terms.term(at: $0.index) != $0.term }
    }

    /// Sees to it that records of so many bytes can be appended without needing space from the disk.
    /// - Parameter replacing: they replace entries, and go to a new segment.
    /// - Throws: `.noSpace` when nothing was changed and a later call may succeed.
    mutating func reserve(_ bytes: Int, replacing: Bool = false) throws(ReplicaError) {
        precondition(bytes <= batchBytesMax, "a batch of \(bytes) bytes fits no segment")
        if replacing { return try translating { () throws(DiskError) in try spare.prepare() } }
        guard end + bytes + RecordHeader.size + slack > segmentBytes else { return }
        try roll(.continues, after: last)
    }

    /// The same for `restore`.
    func reserveAnew() throws(ReplicaError) { try translating { () throws(DiskError) in try spare.secure() } }

    /// The same for a hard state and what a leader appends by itself.
    mutating func reserveSlack() throws(ReplicaError) {
        guard end + slack / 2 > segmentBytes else { return }
        try roll(.continues, after: last)
    }

    /// Makes entries, and the hard state where given, durable with one write and one sync. Entries of the log from
    /// the first one's index on are replaced.
    /// - Throws: `.noSpace` when what counts was not changed; the same call may succeed later.
    mutating func append(_ entries: [Entry], save: HardState? = nil) throws(ReplicaError) {
        let size = entries.reduce(save == nil ? 0 : RecordHeader.size) { $0 + RecordHeader.span($1.bytes.count) }
        precondition(size > 0 && size <= segmentBytes - SegmentHeader.size, "a batch of \(size) bytes fits no segment")
        if let first = entries.first, first.index <= last.index {
            let index = first.index - 1
            guard let term = terms.term(at: index) else {
                preconditionFailure("entry \(first.index) replaces what the log does not hold")
            }
            try roll(.replaces, after: Position(index: index, term: term))
        } else if end + size > segmentBytes {
            try roll(.continues, after: last)
        }
        try clearLeftover()
        batch.removeAll()
        if let save { batch.add(save, window: window, seed: header.seed) }
        for entry in entries {
            batch.add(entry, window: window, seed: header.seed)
        }
        batch.finish(seed: header.seed)
        try write()
        try fatally { () throws(DiskError) in try file?.sync() }
        window += 1
        markIsDue = true
        if let save { hardState = save }
        for entry in entries { terms.append(entry.position) }
    }

    /// Begins anew after a snapshot that the machine holds durably. Everything before is forgotten.
    mutating func restore(after position: Position) throws(ReplicaError) {
        try roll(.restores, after: position)
        try drop(first: segments.count - 1)
    }

    /// Proves to a later recovery that the last batch was synced. Costs one small write; without it damage to the
    /// last batch could pass for a torn write.
    mutating func mark() throws(ReplicaError) {
        guard markIsDue, leftover == 0, end + RecordHeader.size + slack <= segmentBytes else { return }
        batch.removeAll()
        batch.addMark(term: hardState.term, window: window, seed: header.seed)
        markIsDue = false
        do throws(ReplicaError) { try write() } catch .noSpace {} catch { throw error }
    }

    /// Marks the end durably.
    mutating func close() throws(ReplicaError) {
        try mark()
        try fatally { () throws(DiskError) in try file?.sync() }
    }

    /// Lets go of whole segments with no entry after `index`.
    mutating func cut(through index: UInt64) throws(ReplicaError) {
        var count = 0
        while count + 1 < segments.count, segments[count + 1].previous.index <= index { count += 1 }
        try drop(first: count)
    }

    private mutating func drop(first count: Int) throws(ReplicaError) {
        for _ in 0..<count {
            let path = "\(directory)/\(segments[0].name)"
            // One at a time, so that no crash leaves a gap.
            try fatally { () throws(DiskError) in
                try spare.retire(path)
                try disk.syncDirectory(directory)
            }
            segments.removeFirst()
        }
        guard count > 0, let index = segments.first?.previous.index, let term = terms.term(at: index) else { return }
        terms.cut(through: Position(index: index, term: term))
    }

    private mutating func write() throws(ReplicaError) {
        do throws(DiskError) {
            try file?.write(batch.bytes, at: UInt64(end))
            end += batch.bytes.count
        } catch .noSpace {
            leftover = max(leftover, batch.bytes.count)
            throw .noSpace
        } catch {
            throw .storage(error.description)
        }
    }

    /// Records of a refused batch must not be found behind a later, shorter one.
    private mutating func clearLeftover() throws(ReplicaError) {
        guard leftover > 0 else { return }
        try translating { () throws(DiskError) in
            try file?.write([UInt8](repeating: 0, count: leftover), at: UInt64(end))
        }
        try fatally { () throws(DiskError) in try file?.sync() }
        leftover = 0
    }

    /// Overwrites a torn batch, and makes durable what a killed process may have left in memory.
    private mutating func mend(reach: Int) throws(ReplicaError) {
        let (file, end) = (try translating { () throws(DiskError) in try disk.open("\(directory)/\(header.fileName)", .write) }, end)
        try translating { () throws(DiskError) in
            if reach > end { try file.write([UInt8](repeating: 0, count: reach - end), at: UInt64(end)) }
        }
        try fatally { () throws(DiskError) in
            try file.sync()
            try disk.syncDirectory(directory)
        }
        self.file = file
    }

    /// Goes on in a new segment. Its header is durable before the file has a segment's name.
    private mutating func roll(_ origin: SegmentHeader.Origin, after previous: Position) throws(ReplicaError) {
        // What a refused write left must not stand behind the end that the next header tells.
        try clearLeftover()
        let next = SegmentHeader(
            log: header.log, sequence: header.sequence + 1, previous: previous,
            previousEnd: segments.isEmpty ? 0 : UInt64(end), hardState: hardState, origin: origin)
        let path = try translating { () throws(DiskError) in try spare.take() }
        let file: any DiskFile
        do throws(DiskError) {
            file = try disk.open(path, .write)
            try file.write(next.encoded(), at: 0)
        } catch {
            spare.giveBack(path)
            throw ReplicaError(error)
        }
        self.file = try fatally { () throws(DiskError) in
            // A mark after the last batch counts as written, so it must be as durable as the batch.
            try self.file?.sync()
            try file.sync()
            try disk.rename(path, to: "\(directory)/\(next.fileName)")
            spare.renamed(path)
            try disk.syncDirectory(directory)
            // Under its own name, which errors then tell.
            return try disk.open("\(directory)/\(next.fileName)", .write)
        }
        header = next
        segments.append(Segment(name: next.fileName, previous: previous, origin: origin))
        end = SegmentHeader.size
        window = 1
        markIsDue = false
        leftover = 0
        switch origin {
        case .continues: break
        case .replaces: terms.truncate(after: previous.index)
        case .restores: terms = Terms(base: previous)
        }
    }
}
