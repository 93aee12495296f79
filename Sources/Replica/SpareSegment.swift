import Host
import Synchronization

/// Keeps files ready to become the next segments, so that the writer need not wait for 16 MiB of zeros, nor the disk write
/// them: segments that are no longer needed serve again. Any thread may prepare one while the log writes.
final class SpareSegment: Sendable {
    private enum State { case missing, preparing, ready, lent }

    /// A checkpoint lets go of so many segments at once, or some more.
    private static let most = 3
    private let states = Mutex([State](repeating: .missing, count: SpareSegment.most))
    private let disk: any Disk
    private let directory: String
    private let bytes: UInt64
    private let paths: [String]
    private var draft: String { "\(directory)/spare.new" }

    init(disk: any Disk, directory: String, bytes: Int) {
        self.disk = disk
        self.directory = directory
        self.bytes = UInt64(bytes)
        paths = (0..<Self.most).map { $0 == 0 ? "\(directory)/spare" : "\(directory)/spare.\($0)" }
    }

    var isMissing: Bool { states.withLock { $0.allSatisfy { $0 == .missing } } }

    /// Takes over what an earlier process left.
    func recover() throws(DiskError) {
        let names = try disk.list(directory)
        for name in ["spare.new", "next.new"] where names.contains(name) { try disk.remove("\(directory)/\(name)") }
        for (place, path) in paths.enumerated() where names.contains(String(path.dropFirst(directory.count + 1))) {
            if try disk.open(path, .read).size() == bytes { set(place, .ready) } else { try disk.remove(path) }
        }
    }

    /// Sees to it that the next `take` needs no space from the disk. While another thread prepares one, nobody knows yet whether it can.
    /// - Throws: `.noSpace` then, too: a later call may succeed.
    func secure() throws(DiskError) {
        try prepare()
        guard states.withLock({ $0.contains(.ready) }) else { throw .noSpace(operation: "take", path: paths[0]) }
    }

    /// Makes a spare when there is none. Called again after a throw, it starts anew.
    func prepare() throws(DiskError) {
        let isWanted = states.withLock { states in
            guard states.allSatisfy({ $0 == .missing }) else { return false }
            states[0] = .preparing
            return true
        }
        guard isWanted else { return }
        do throws(DiskError) {
            try make(draft)
            try disk.rename(draft, to: paths[0])
            set(0, .ready)
        } catch {
            set(0, .missing)
            throw error
        }
    }

    /// A file of full size for the next segment, under a name that is no segment's.
    func take() throws(DiskError) -> String {
        let place = states.withLock { states -> Int? in
            guard let place = states.firstIndex(of: .ready) else { return nil }
            states[place] = .lent
            return place
        }
        if let place { return paths[place] }
        let other = "\(directory)/next.new"
        try make(other)
        return other
    }

    /// What `take` gave has another name now, and its old one is free.
    func renamed(_ path: String) { if let place = paths.firstIndex(of: path) { set(place, .missing) } }

    /// Gives back what `take` gave and could not be used.
    func giveBack(_ path: String) {
        if let place = paths.firstIndex(of: path) { set(place, .ready) } else { try? disk.remove(path) }
    }

    /// Keeps a segment's file that is no longer needed, or removes it.
    func retire(_ segment: String) throws(DiskError) {
        guard try disk.open(segment, .read).size() == bytes, let place = claim() else { return try disk.remove(segment) }
        do throws(DiskError) {
            try disk.rename(segment, to: paths[place])
            set(place, .ready)
        } catch {
            set(place, .missing)
            throw error
        }
    }

    /// Only who claimed a place may put a file there: the log may be renaming the last one away.
    private func claim() -> Int? {
        states.withLock { states in
            guard let place = states.firstIndex(of: .missing) else { return nil }
            states[place] = .preparing
            return place
        }
    }

    private func set(_ place: Int, _ state: State) { states.withLock { $0[place] = state } }

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
