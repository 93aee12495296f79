import Bytes
import Crypto
import Foundation

/// The file that holds a vault's sealing key: 64 hexadecimal digits and a line end, for its owner's eyes only.
struct SealingKeyFile {
    var path: String

    /// nil when there is no such file.
    /// - Throws: `PKIError.file` for one that others can read, or that holds no key.
    func read() throws(PKIError) -> SymmetricKey? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .file(path, "the sealing key cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { throw .file(path, "the sealing key is not a file") }
        let mode = facts.st_mode & 0o777
        guard mode & 0o077 == 0 else {
            throw .file(path, "the sealing key can be read by others (mode 0\(String(mode, radix: 8))); make it private: chmod 600 \(path)")
        }
        var buffer = [UInt8](repeating: 0, count: 80)
        let count = buffer.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
        let text = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Hex.decode(text), bytes.count == 32 else {
            throw .file(path, "does not hold a sealing key (64 hexadecimal digits); restore it from your backup")
        }
        return SymmetricKey(data: bytes)
    }

    /// Makes the file whole or not at all. One that another process made in the meantime is read instead.
    func make() throws(PKIError) -> SymmetricKey {
        let key = SymmetricKey(size: .bits256)
        let text = key.withUnsafeBytes { Hex.encode($0) } + "\n"
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).new"
        let descriptor = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure() }
        defer {
            close(descriptor)
            unlink(temporary)
        }
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
        guard written == bytes.count, fchmod(descriptor, 0o600) == 0, fsync(descriptor) == 0 else { throw failure() }
        // Unlike a rename, a link never takes the place of a key that is there.
        guard link(temporary, path) == 0 else {
            guard errno == EEXIST, let theirs = try read() else { throw failure() }
            return theirs
        }
        let directory = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure() }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure() }
        return key
    }

    private func failure() -> PKIError { .file(path, "the sealing key cannot be made: \(String(cString: strerror(errno)))") }
}
