import Glibc
import Host
import Synchronization

/// A disk in memory that loses what was not synced when the power goes, and fails when told to.
///
/// A crash keeps any subset of the unsynced 512 byte sectors of each file, and the first few of the unsynced
/// changes of names. All of it follows from the seed.
package final class SimulatedDisk: Disk {
    package enum Fullness: Sendable {
        case none
        /// Writes past the end of a file fail; overwriting still works.
        case growth
        /// Files may grow by so many bytes more, all together.
        case room(Int)
        /// Every write fails after some of its sectors, as on a disk that copies on write.
        case everything
    }

    let state: Mutex<SimulatedDiskState>

    package init(seed: UInt64) { state = Mutex(SimulatedDiskState(dice: Dice(seed: seed))) }

    package func makeDirectory(_ path: String) throws(DiskError) {
        try change("make directory", path) { state throws(DiskError) in _ = state.directories.insert(path) }
    }

    package func open(_ path: String, _ mode: DiskOpenMode) throws(DiskError) -> any DiskFile {
        try change("open", path) { state throws(DiskError) in
            if state.names[path] == nil {
                guard mode == .create else { throw .missing(operation: "open", path: path) }
                state.add(.link(path, state.makeNode()))
            }
            return SimulatedFile(disk: self, path: path, node: state.names[path] ?? 0, life: state.life)
        }
    }

    package func list(_ directory: String) throws(DiskError) -> [String] {
        try change("list", directory) { state throws(DiskError) in
            guard state.directories.contains(directory) else { throw .missing(operation: "list", path: directory) }
            let prefix = directory + "/"
            return state.names.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
        }
    }

    package func rename(_ source: String, to target: String) throws(DiskError) {
        try change("rename to \(target)", source) { state throws(DiskError) in
            guard state.names[source] != nil else { throw .missing(operation: "rename", path: source) }
            state.add(.rename(source, target))
        }
    }

    package func remove(_ path: String) throws(DiskError) {
        try change("remove", path) { state throws(DiskError) in
            guard state.names[path] != nil else { throw .missing(operation: "remove", path: path) }
            state.add(.unlink(path))
        }
    }

    package func syncDirectory(_ path: String) throws(DiskError) {
        try change("sync directory", path) { state throws(DiskError) in
            try state.checkSync("sync directory", path)
            state.syncNames(of: path)
        }
    }

    package func lock(_ path: String) throws(DiskError) -> any DiskLock {
        try change("lock", path) { state throws(DiskError) in
            guard state.locks.insert(path).inserted else { throw .locked(path: path, holder: 1) }
            return SimulatedLock(disk: self, path: path, life: state.life)
        }
    }

    func change<Answer>(
        _ operation: String, _ path: String, _ body: (inout SimulatedDiskState) throws(DiskError) -> Answer
    ) throws(DiskError) -> Answer {
        let result = state.withLock { state -> Result<Answer, DiskError> in
            guard state.hasPower() else { return .failure(DiskError(operation, path, errno: EIO)) }
            do throws(DiskError) { return .success(try body(&state)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

final class SimulatedFile: DiskFile {
    let path: String
    private let disk: SimulatedDisk
    private let node: Int
    private let life: Int

    init(disk: SimulatedDisk, path: String, node: Int, life: Int) {
        self.disk = disk
        self.path = path
        self.node = node
        self.life = life
    }

    func size() throws(DiskError) -> UInt64 {
        try change("stat") { node throws(DiskError) in UInt64(node.content.count) }
    }

    func read(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8] {
        try change("read") { node throws(DiskError) in
            let start = min(Int(offset), node.content.count)
            return Array(node.content[start..<min(start + count, node.content.count)])
        }
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(DiskError) {
        try disk.change("write", path) { state throws(DiskError) in
            try check(state)
            try state.write(bytes, at: Int(offset), node: node, path: path)
        }
    }

    func sync() throws(DiskError) {
        try disk.change("sync", path) { state throws(DiskError) in
            try check(state)
            try state.sync(node: node, path: path)
        }
    }

    func truncate(to bytes: UInt64) throws(DiskError) {
        try change("truncate") { node throws(DiskError) in node.apply(.truncate(Int(bytes))) }
    }

    func preallocate(_ bytes: UInt64) throws(DiskError) {
        try write([UInt8](repeating: 0, count: Int(bytes)), at: 0)
    }

    private func change<Answer>(
        _ operation: String, _ body: (inout SimulatedDiskState.Node) throws(DiskError) -> Answer
    ) throws(DiskError) -> Answer {
        try disk.change(operation, path) { state throws(DiskError) in
            try check(state)
            return try body(&state.nodes[node])
        }
    }

    /// A file opened before a crash is of a process that is no more.
    private func check(_ state: borrowing SimulatedDiskState) throws(DiskError) {
        if state.life != life { throw DiskError("use a file of before the crash", path, errno: EBADF) }
    }
}

private final class SimulatedLock: DiskLock {
    let disk: SimulatedDisk
    let path: String
    let life: Int

    init(disk: SimulatedDisk, path: String, life: Int) {
        self.disk = disk
        self.path = path
        self.life = life
    }

    deinit {
        disk.state.withLock { state in
            if state.life == life { state.locks.remove(path) }
        }
    }
}
