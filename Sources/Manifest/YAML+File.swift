#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension YAML {
    /// The bytes of a file, or of standard input for "-", at most `limits.bytesMax`: a larger file is refused by its
    /// size, before it is read. The problem says in words what is wrong: missing, a directory, not allowed, too large.
    package static func readFile(_ path: String, limits: Limits = .default) -> (bytes: [UInt8], problem: Problem?) {
        func refused(_ message: String) -> (bytes: [UInt8], problem: Problem?) {
            ([], Problem(file: path, mark: Mark(line: 1, column: 1), message: message))
        }
        let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { return refused(words(errno)) }
        defer { if path != "-" { close(descriptor) } }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return refused(words(errno)) }
        if status.st_mode & S_IFMT == S_IFDIR { return refused("is a directory; a file is expected") }
        let isRegular = status.st_mode & S_IFMT == S_IFREG
        if isRegular, Int(status.st_size) > limits.bytesMax { return refused(tooLarge(Int(status.st_size), limits)) }
        // One byte more than allowed tells a pipe, or a file that grows, that goes on.
        let chunk = 1 << 16
        var bytes: [UInt8] = []
        bytes.reserveCapacity(isRegular ? min(Int(status.st_size), limits.bytesMax) + chunk : chunk)
        while bytes.count <= limits.bytesMax {
            var piece = [UInt8](repeating: 0, count: chunk)
            let count = readSome(descriptor, &piece)
            if count < 0 {
                if errno == EINTR { continue }
                return refused(words(errno))
            }
            if count == 0 { return (bytes, nil) }
            bytes += piece[..<count]
        }
        return refused(tooLarge(nil, limits))
    }

    private static func words(_ code: Int32) -> String {
        switch code {
        case ENOENT: "does not exist"
        case EACCES, EPERM: "may not be read by this user"
        case EISDIR: "is a directory; a file is expected"
        case ENOTDIR: "does not exist: a part of the path is not a directory"
        default: "cannot be read: \(String(cString: strerror(code)))"
        }
    }
}

private func readSome(_ descriptor: Int32, _ piece: inout [UInt8]) -> Int {
    piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
}
