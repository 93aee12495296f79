import Host
import Raft

/// The write-ahead log: segment files in one directory. One owner, no other thread; every call blocks on the disk.
///
/// After `.storage` is thrown the log must not be used again: what reached the disk is unknown.
struct Log: ~Copyable, Sendable {
    struct Segment {
        var name: String
        var previous: Position
    }

    let directory: String
    let disk: any Disk
    let spare: SpareSegment
    let segmentBytes: Int
    private let lock: any DiskLock
    private(set) var segments: [Segment] = []
    private(set) var last = Position.start
    private(set) var hardState = HardState()
    private var file: (any DiskFile)?
    private var header: SegmentHeader
    /// Where the next record goes.
    private var end = SegmentHeader.size
    private var window: UInt32 = 1
    /// Bytes after `end` that a refused write may have left.
    private var leftover = 0
    private var markIsDue = false
    private var batch = BatchWriter()

    /// Opens the log in `directory`, or begins one.
    /// - Parameters:
    ///   - base: what comes before the first entry of a new log.
    ///   - identity: sets a new log apart from others; random.
    ///   - keepAfter: the answer's entries begin after this index.
    /// - Throws: `.corrupt` when what was durable is damaged, `.locked` when another process has the log open.
    static func open(
        _ directory: String, disk: any Disk, segmentBytes: Int, base: Position = .start, identity: UInt64,
        keepAfter: UInt64, entries: inout [Entry]
    ) throws(ReplicaError) -> Log {
        let size = min(max(segmentBytes, 4096), 16 << 20)
        let lock = try translating { () throws(DiskError) in
            try disk.makeDirectory(directory)
            return try disk.lock("\(directory)/lock")
        }
        var scan = LogScan(directory: directory)
        var found: [Entry] = []
        try scan.run(disk, keepAfter: keepAfter) { found += $0 }
        entries = found
        let spare = SpareSegment(disk: disk, directory: directory, bytes: size)
        try translating { () throws(DiskError) in try spare.recover() }
        var log = Log(
            directory: directory, disk: disk, spare: spare, lock: lock, segmentBytes: size,
            header: SegmentHeader(
                log: identity, sequence: 0, previous: base, previousEnd: 0, hardState: HardState(term: base.term)))
        try log.resume(scan, base: base)
        return log
    }

    private init(
        directory: String, disk: any Disk, spare: SpareSegment, lock: any DiskLock, segmentBytes: Int,
        header: SegmentHeader
    ) {
        self.directory = directory
        self.disk = disk
        self.spare = spare
        self.lock = lock
        self.segmentBytes = segmentBytes
        self.header = header
    }

    private mutating func resume(_ scan: LogScan, base: Position) throws(ReplicaError) {
        guard let current = scan.segments.last else {
            last = base
            hardState = header.hardState
            return try roll()
        }
        segments = scan.segments.map { Segment(name: $0.name, previous: $0.header.previous) }
        last = scan.last
        hardState = scan.hardState
        header = current.header
        end = current.end
        window = scan.window + 1
        markIsDue = !scan.isMarked
        try mend(reach: scan.reach)
    }

    var firstIndex: UInt64 { (segments.first?.previous.index ?? 0) + 1 }

    /// Largest command that fits a segment beside a hard state.
    var commandBytesMax: Int { min(segmentBytes - SegmentHeader.size - 3 * RecordHeader.size - 8, RecordHeader.lengthMax) }

    /// Bytes of records that always fit one batch.
    var batchBytesMax: Int { segmentBytes - SegmentHeader.size - RecordHeader.size }

    /// Whether a spare is worth preparing now.
    var wantsSpare: Bool { end > segmentBytes / 2 && spare.isMissing }

    /// Makes entries, and the hard state where given, durable with one write and one sync.
    /// - Throws: `.noSpace` when nothing was changed and a later call may succeed.
    mutating func append(_ entries: [Entry], save: HardState? = nil) throws(ReplicaError) {
        let size = entries.reduce(save == nil ? 0 : RecordHeader.size) { $0 + RecordHeader.span($1.bytes.count) }
        precondition(size > 0 && size <= batchBytesMax + RecordHeader.size, "a batch of \(size) bytes fits no segment")
        try clearLeftover()
        if end + size > segmentBytes { try roll() }
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
        if let entry = entries.last { last = entry.position }
    }

    /// Proves to a later recovery that the last batch was synced. Costs one small write; without it damage to the
    /// last batch could pass for a torn write.
    mutating func mark() throws(ReplicaError) {
        guard markIsDue, leftover == 0, end + RecordHeader.size <= segmentBytes else { return }
        batch.removeAll()
        batch.addMark(window: window, seed: header.seed)
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
        while segments.count > 1, segments[1].previous.index <= index {
            let path = "\(directory)/\(segments[0].name)"
            // One at a time, so that no crash leaves a gap.
            try fatally { () throws(DiskError) in
                try spare.retire(path)
                try disk.syncDirectory(directory)
            }
            segments.removeFirst()
        }
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
    private mutating func roll() throws(ReplicaError) {
        let next = SegmentHeader(
            log: header.log, sequence: header.sequence + 1, previous: last,
            previousEnd: segments.isEmpty ? 0 : UInt64(end), hardState: hardState)
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
            try disk.syncDirectory(directory)
            // Under its own name, which errors then tell.
            return try disk.open("\(directory)/\(next.fileName)", .write)
        }
        header = next
        segments.append(Segment(name: next.fileName, previous: last))
        end = SegmentHeader.size
        window = 1
        markIsDue = false
    }
}
