import Host
import Metrics
import Synchronization

/// Another disk whose syncs of the log are timed.
final class MeteredDisk: Disk {
    private let disk: any Disk
    private let time: any Time
    private let seconds = Metrics.Timer(label: "replica_fsync_seconds")
    /// The longest since it was last asked for.
    private let slowest = Mutex(Duration.zero)

    init(_ disk: any Disk, time: any Time) {
        self.disk = disk
        self.time = time
    }

    func takeSlowest() -> Duration {
        slowest.withLock { slowest in
            defer { slowest = .zero }
            return slowest
        }
    }

    func makeDirectory(_ path: String) throws(DiskError) { try disk.makeDirectory(path) }
    func open(_ path: String, _ mode: DiskOpenMode) throws(DiskError) -> any DiskFile {
        let file = try disk.open(path, mode)
        return path.hasSuffix(".log") ? MeteredFile(file, self) : file
    }
    func list(_ directory: String) throws(DiskError) -> [String] { try disk.list(directory) }
    func rename(_ source: String, to target: String) throws(DiskError) { try disk.rename(source, to: target) }
    func remove(_ path: String) throws(DiskError) { try disk.remove(path) }
    func syncDirectory(_ path: String) throws(DiskError) { try disk.syncDirectory(path) }
    func lock(_ path: String) throws(DiskError) -> any DiskLock { try disk.lock(path) }

    fileprivate func timing(_ body: () throws(DiskError) -> Void) throws(DiskError) {
        let start = time.now()
        try body()
        let took = time.now() - start
        seconds.recordNanoseconds(took.nanoseconds)
        slowest.withLock { $0 = max($0, took) }
    }
}

private final class MeteredFile: DiskFile {
    private let file: any DiskFile
    private let meter: MeteredDisk

    init(_ file: any DiskFile, _ meter: MeteredDisk) {
        self.file = file
        self.meter = meter
    }

    var path: String { file.path }
    func size() throws(DiskError) -> UInt64 { try file.size() }
    func read(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8] { try file.read(at: offset, count: count) }
    func write(_ bytes: [UInt8], at offset: UInt64) throws(DiskError) { try file.write(bytes, at: offset) }
    func sync() throws(DiskError) { try meter.timing { () throws(DiskError) in try file.sync() } }
    func truncate(to bytes: UInt64) throws(DiskError) { try file.truncate(to: bytes) }
    func preallocate(_ bytes: UInt64) throws(DiskError) { try file.preallocate(bytes) }
}

/// Decides when a disk is too slow to lead on: three long syncs in a row. One alone may be anybody's.
struct SlowDisk: Sendable {
    let limit: Duration
    private var count = 0

    init(limit: Duration) { self.limit = limit }

    /// - Parameter sync: the longest of a step that had any.
    mutating func isTooSlow(_ sync: Duration) -> Bool {
        guard sync > .zero else { return false }
        count = sync > limit ? count + 1 : 0
        guard count >= 3 else { return false }
        count = 0
        return true
    }
}
