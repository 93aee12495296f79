import Glibc

/// What a disk refused to do: the path, the operation, and the system's own words.
package enum DiskError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The device or the quota is full (ENOSPC, EDQUOT). Passes by itself when space returns.
    case noSpace(operation: String, path: String)
    /// No such file or directory (ENOENT).
    case missing(operation: String, path: String)
    /// Another open file holds the lock. `holder` is the process id written in the lock file, if readable.
    case locked(path: String, holder: Int32?)
    /// Everything else, with its errno.
    case failed(operation: String, path: String, errno: Int32)

    package init(_ operation: String, _ path: String, errno code: Int32) {
        switch code {
        case ENOSPC, EDQUOT: self = .noSpace(operation: operation, path: path)
        case ENOENT: self = .missing(operation: operation, path: path)
        default: self = .failed(operation: operation, path: path, errno: code)
        }
    }

    package var description: String {
        switch self {
        case .noSpace(let operation, let path):
            return "could not \(operation) \(path): no space left on the device; free some space"
        case .missing(let operation, let path):
            return "could not \(operation) \(path): no such file or directory"
        case .locked(let path, let holder?):
            return "\(path) is locked by process \(holder); stop that process first"
        case .locked(let path, nil):
            return "\(path) is locked by another process; stop it first"
        case .failed(let operation, let path, let code):
            return "could not \(operation) \(path): \(String(cString: strerror(code))) (errno \(code))"
        }
    }
}
