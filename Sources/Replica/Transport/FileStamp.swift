import Foundation

/// What tells a changed file from an unchanged one without reading it. Symbolic links are followed, so a mounted
/// secret whose link is swapped counts as changed, and so does a file that is given another owner or mode.
struct FileStamp: Hashable, Sendable {
    private var modified: [Int]
    private var changed: [Int]
    private var inode: UInt64
    private var bytes: Int64

    /// Nil when there is no such file, or it cannot be looked at.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
    }
}
