import Glibc

/// The disk of this machine.
package struct SystemDisk: Disk {
    package init() {}

    package func makeDirectory(_ path: String) throws(DiskError) {
        var parent = path.hasPrefix("/") ? "/" : "."
        for part in path.split(separator: "/") {
            let made = parent == "." ? String(part) : parent == "/" ? "/\(part)" : "\(parent)/\(part)"
            if mkdir(made, 0o700) == 0 {
                try syncDirectory(parent)
            } else if errno != EEXIST {
                // A parent that may be passed but not written answers EACCES or EROFS though it exists.
                let code = errno
                guard access(made, F_OK) == 0 else { throw DiskError("make directory", made, errno: code) }
            }
            parent = made
        }
    }

    package func open(_ path: String, _ mode: DiskOpenMode) throws(DiskError) -> any DiskFile {
        let flags = switch mode {
        case .read: O_RDONLY
        case .write: O_RDWR
        case .create: O_RDWR | O_CREAT
        }
        return SystemFile(path: path, descriptor: try openDescriptor(path, flags))
    }

    package func list(_ directory: String) throws(DiskError) -> [String] {
        guard let stream = opendir(directory) else { throw DiskError("list", directory, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw DiskError("list", directory, errno: errno) }
        return names.sorted()
    }

    package func rename(_ source: String, to target: String) throws(DiskError) {
        guard Glibc.rename(source, target) == 0 else { throw DiskError("rename to \(target)", source, errno: errno) }
    }

    package func remove(_ path: String) throws(DiskError) {
        guard unlink(path) == 0 else { throw DiskError("remove", path, errno: errno) }
    }

    package func syncDirectory(_ path: String) throws(DiskError) {
        let descriptor = try openDescriptor(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw DiskError("sync directory", path, errno: errno) }
    }

    package func lock(_ path: String) throws(DiskError) -> any DiskLock {
        let file = SystemFile(path: path, descriptor: try openDescriptor(path, O_RDWR | O_CREAT))
        var patience = 200
        while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK:
                let text = String(decoding: try file.read(at: 0, count: 32), as: UTF8.self)
                let holder = Int32(text.prefix { $0.isNumber })
                // What has let it go, or is dead, may have a child that was forked and has not become its program yet: until then it has all open files, too.
                let isOver = holder.map { $0 == getpid() || kill($0, 0) != 0 && errno == ESRCH } ?? false
                guard isOver, patience > 0 else { throw .locked(path: path, holder: holder) }
                patience -= 1
                usleep(5_000)
            default: throw DiskError("lock", path, errno: errno)
            }
        }
        // The number only helps people; a full disk must not keep the log from opening.
        let pid = Array("\(getpid())\n".utf8)
        if (try? file.truncate(to: 0)) != nil { try? file.write(pid, at: 0) }
        return file
    }
}

private func openDescriptor(_ path: String, _ flags: Int32) throws(DiskError) -> Int32 {
    while true {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        if descriptor >= 0 { return descriptor }
        if errno != EINTR { throw DiskError("open", path, errno: errno) }
    }
}

/// flock(2) belongs to the open file: closing it, or the end of the process, lets it go.
private final class SystemFile: DiskFile, DiskLock {
    let path: String
    let descriptor: Int32

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    func size() throws(DiskError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DiskError("stat", path, errno: errno) }
        return UInt64(status.st_size)
    }

    func read(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let start = buffer.baseAddress {
                let got = pread(descriptor, start + filled, count - filled, off_t(offset) + off_t(filled))
                if got == 0 { break }
                if got > 0 { filled += got } else if errno != EINTR { failure = errno; break }
            }
        }
        guard failure == 0 else { throw DiskError("read", path, errno: failure) }
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(DiskError) {
        let failure = bytes.withUnsafeBytes { buffer -> Int32 in
            var done = 0
            while done < buffer.count, let start = buffer.baseAddress {
                let put = pwrite(descriptor, start + done, buffer.count - done, off_t(offset) + off_t(done))
                if put >= 0 { done += put } else if errno != EINTR { return errno }
            }
            return 0
        }
        guard failure == 0 else { throw DiskError("write", path, errno: failure) }
    }

    func sync() throws(DiskError) {
        guard fdatasync(descriptor) == 0 else { throw DiskError("sync", path, errno: errno) }
    }

    func truncate(to bytes: UInt64) throws(DiskError) {
        guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw DiskError("truncate", path, errno: errno) }
    }

    func preallocate(_ bytes: UInt64) throws(DiskError) {
        // Asks for the blocks first, so that a full disk answers at once; the zeros then spare later syncs the
        // conversion of unwritten extents. Not every file system can do the first.
        let code = posix_fallocate(descriptor, 0, off_t(bytes))
        guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
            throw DiskError("preallocate", path, errno: code)
        }
        let zeros = [UInt8](repeating: 0, count: min(Int(bytes), BackgroundThread.pieceBytes))
        var at: UInt64 = 0
        while at < bytes {
            let count = Int(min(bytes - at, UInt64(zeros.count)))
            try write(count == zeros.count ? zeros : Array(zeros[..<count]), at: at)
            at += UInt64(count)
            guard BackgroundThread.isPatient, at < bytes else { continue }
            try sync()
            BackgroundThread.rest()
        }
    }
}
