import Host
import Synchronization

/// The machine's disk, with its syncs counted.
final class CountingDisk: Disk {
    struct Counts {
        var syncs = 0
        var bytes = 0
        var syncTime = Duration.zero
    }

    private let disk = SystemDisk()
    let counts = Mutex(Counts())

    func makeDirectory(_ path: String) throws(DiskError) { try disk.makeDirectory(path) }
    func open(_ path: String, _ mode: DiskOpenMode) throws(DiskError) -> any DiskFile { CountingFile(try disk.open(path, mode), self) }
    func list(_ directory: String) throws(DiskError) -> [String] { try disk.list(directory) }
    func rename(_ source: String, to target: String) throws(DiskError) { try disk.rename(source, to: target) }
    func remove(_ path: String) throws(DiskError) { try disk.remove(path) }
    func syncDirectory(_ path: String) throws(DiskError) { try disk.syncDirectory(path) }
    func lock(_ path: String) throws(DiskError) -> any DiskLock { try disk.lock(path) }
}

private final class CountingFile: DiskFile {
    private let file: any DiskFile
    private let owner: CountingDisk

    init(_ file: any DiskFile, _ owner: CountingDisk) {
        self.file = file
        self.owner = owner
    }

    var path: String { file.path }
    func size() throws(DiskError) -> UInt64 { try file.size() }
    func read(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8] { try file.read(at: offset, count: count) }
    func write(_ bytes: [UInt8], at offset: UInt64) throws(DiskError) {
        try file.write(bytes, at: offset)
        owner.counts.withLock { $0.bytes += bytes.count }
    }
    func sync() throws(DiskError) {
        let start = ContinuousClock.now
        try file.sync()
        let took = ContinuousClock.now - start
        owner.counts.withLock { counts in
            counts.syncs += 1
            counts.syncTime += took
        }
    }
    func truncate(to bytes: UInt64) throws(DiskError) { try file.truncate(to: bytes) }
    func preallocate(_ bytes: UInt64) throws(DiskError) { try file.preallocate(bytes) }
}
