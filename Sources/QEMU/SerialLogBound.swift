import Foundation
import Host

/// How much is kept of what a guest writes to its serial port: QEMU only appends, and a guest may write more than the host's disk holds.
struct SerialLogBound: Hashable, Sendable {
    /// A log that is larger is begun anew.
    var bytesMax = 64 << 20
    /// So much of its end is kept beside it.
    var bytesKept = 4 << 20

    /// QEMU has the log open for appending, so it goes on at the beginning of one that was emptied. What comes while its end is copied is lost.
    /// - Returns: what went wrong.
    func hold(_ files: MachineFiles) -> String? {
        let log = files.serialLog
        var status = stat()
        guard stat(log, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) > bytesMax else { return nil }
        let problem = keepEnd(files)
        // Emptied in any case: what could not be kept may have lacked the very room that the log takes.
        guard truncate(log, 0) == 0 else {
            let why = errnoText(errno)
            return "\(log) is larger than \(bytesMax) bytes and could not be emptied: \(why)"
        }
        return problem
    }

    /// Where the kept end is written before it takes its place.
    static func draft(of files: MachineFiles) -> String { files.serialLogBefore + ".new" }

    private func keepEnd(_ files: MachineFiles) -> String? {
        let (log, place, draft) = (files.serialLog, files.serialLogBefore, Self.draft(of: files))
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let why = errnoText(errno)
            return "\(draft), for the end of the serial log, could not be made: \(why)"
        }
        let target = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            let source = try FileHandle(forReadingFrom: URL(fileURLWithPath: log))
            let size = try source.seekToEnd()
            try source.seek(toOffset: size - min(size, UInt64(bytesKept)))
            let end = try source.read(upToCount: bytesKept) ?? Data()
            try source.close()
            try target.write(contentsOf: end)
            try target.close()
        } catch {
            unlink(draft)
            return "the end of \(log) could not be kept in \(place): \(error.localizedDescription)"
        }
        guard rename(draft, place) == 0 else {
            let why = errnoText(errno)
            unlink(draft)
            return "the end of \(log) could not be kept in \(place): \(why)"
        }
        return nil
    }
}
