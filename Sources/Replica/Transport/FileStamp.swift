import Foundation

/// What tells a changed file from an unchanged one without reading it. Symbolic links are followed, so a mounted
/// secret whose link is swapped counts as changed.
struct FileStamp: Hashable, Sendable {
    private var seconds: Int
    private var nanoseconds: Int
    private var inode: UInt64
    private var bytes: Int64

    /// Nil when there is no such file, or it cannot be looked at.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
    }
}
