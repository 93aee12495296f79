import Foundation
import Synchronization

/// The file of a Unix socket. It is bound within a directory that only we may enter, given mode 0600 and then moved
/// to its place, so that at no moment anybody else can connect; a socket that somebody listens on is never taken away.
final class SocketFile: Sendable {
    /// `sun_path` (unix(7)) less the final zero.
    private static let pathBytesMax = 107

    let path: String
    /// Where to bind.
    let temporaryPath: String
    private let temporaryDirectory: String
    /// Of the socket at its place; nil before it is there.
    private let inode = Mutex<UInt64?>(nil)

    /// Makes sure that nobody listens at `path` and prepares a place to bind.
    /// - Throws: `ServerError`.
    init(claiming path: String) throws {
        self.path = path
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
        guard path.utf8.count <= Self.pathBytesMax else { throw ServerError.socketPathTooLong(path) }
        try Self.refuseLiving(path)
        var template = Array((directory + ".XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw ServerError.socket(path, String(cString: strerror(errno))) }
        temporaryDirectory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        temporaryPath = temporaryDirectory + "/s"
        guard temporaryPath.utf8.count <= Self.pathBytesMax else {
            rmdir(temporaryDirectory)
            throw ServerError.socketPathTooLong(path)
        }
    }

    /// Moves the bound socket to its place.
    func publish() throws {
        guard chmod(temporaryPath, 0o600) == 0, rename(temporaryPath, path) == 0 else {
            throw ServerError.socket(path, String(cString: strerror(errno)))
        }
        inode.withLock { $0 = Self.inode(of: path) }
        rmdir(temporaryDirectory)
    }

    /// Takes the file away, if it is still ours.
    func remove() {
        unlink(temporaryPath)
        rmdir(temporaryDirectory)
        let inode = inode.withLock { $0 }
        if let inode, Self.inode(of: path) == inode { unlink(path) }
    }

    private static func inode(of path: String) -> UInt64? {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func refuseLiving(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw ServerError.socket(path, String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ServerError.notASocket(path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ServerError.socket(path, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // Refused is what a socket says whose listener is gone; anything else may be a living one.
        guard connected != 0, errno == ECONNREFUSED else { throw ServerError.alreadyListening(path) }
    }
}
