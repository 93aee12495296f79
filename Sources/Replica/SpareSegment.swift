import Host
import Synchronization

/// Keeps one file ready to become the next segment, so that the writer need not wait for 16 MiB of zeros.
/// Any thread may prepare it while the log writes.
final class SpareSegment: Sendable {
    private enum State { case missing, preparing, ready, lent }

    private let state = Mutex(State.missing)
    private let disk: any Disk
    private let directory: String
    private let bytes: UInt64
    private var path: String { "\(directory)/spare" }
    private var draft: String { "\(directory)/spare.new" }

    init(disk: any Disk, directory: String, bytes: Int) {
        self.disk = disk
        self.directory = directory
        self.bytes = UInt64(bytes)
    }

    var isMissing: Bool { state.withLock { $0 == .missing } }

    /// Takes over what an earlier process left.
    func recover() throws(DiskError) {
        let names = try disk.list(directory)
        for name in ["spare.new", "next.new"] where names.contains(name) { try disk.remove("\(directory)/\(name)") }
        guard names.contains("spare") else { return }
        guard try disk.open(path, .read).size() == bytes else { return try disk.remove(path) }
        state.withLock { $0 = .ready }
    }

    /// Makes a spare when there is none. Called again after a throw, it starts anew.
    func prepare() throws(DiskError) {
        guard claim() else { return }
        do throws(DiskError) {
            try make(draft)
            try disk.rename(draft, to: path)
            state.withLock { $0 = .ready }
        } catch {
            state.withLock { $0 = .missing }
            throw error
        }
    }

    /// A file of full size for the next segment, under a name that is no segment's.
    func take() throws(DiskError) -> String {
        let isReady = state.withLock { state in
            guard state == .ready else { return false }
            state = .lent
            return true
        }
        if isReady { return path }
        let other = "\(directory)/next.new"
        try make(other)
        return other
    }

    /// What `take` gave has another name now, and its old one is free.
    func renamed(_ path: String) { if path == self.path { state.withLock { $0 = .missing } } }

    /// Gives back what `take` gave and could not be used.
    func giveBack(_ path: String) {
        if path == self.path { state.withLock { $0 = .ready } } else { try? disk.remove(path) }
    }

    /// Keeps a segment's file that is no longer needed, or removes it.
    func retire(_ segment: String) throws(DiskError) {
        guard try disk.open(segment, .read).size() == bytes, claim() else { return try disk.remove(segment) }
        do throws(DiskError) {
            try disk.rename(segment, to: path)
            state.withLock { $0 = .ready }
        } catch {
            state.withLock { $0 = .missing }
            throw error
        }
    }

    /// Only who claimed the place may put a file there: the log may be renaming the last one away.
    private func claim() -> Bool {
        state.withLock { state in
            guard state == .missing else { return false }
            state = .preparing
            return true
        }
    }

    private func make(_ path: String) throws(DiskError) {
        do throws(DiskError) {
            let file = try disk.open(path, .create)
            try file.truncate(to: 0)
            try file.preallocate(bytes)
            try file.sync()
        } catch {
            // A half-made file must not keep the space that others wait for.
            try? disk.remove(path)
            throw error
        }
    }
}
