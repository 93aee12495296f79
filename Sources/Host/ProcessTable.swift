import CHost
import Foundation
import Glibc

/// The processes of this Linux, through `/proc` and posix_spawn.
package struct SystemProcesses: Processes {
    package init() {}

    package func inspect(_ pid: Int32) throws(ProcessError) -> ProcessSight? {
        guard pid > 0, let stat = try readProc("/proc/\(pid)/stat"), let status = ProcessStatus(parsing: stat) else {
            return nil
        }
        guard status.isLive else { return nil }
        let commandLine = try readProc("/proc/\(pid)/cmdline") ?? []
        return ProcessSight(
            identity: ProcessIdentity(pid: pid, startTime: status.startTime), parent: status.parent, group: status.group,
            commandLine: splitCommandLine(commandLine), executable: readLink("/proc/\(pid)/exe"))
    }

    package func list() throws(ProcessError) -> [ProcessSight] {
        guard let directory = opendir("/proc") else { throw .cannotLook(reason: "/proc: \(errnoText(errno))") }
        defer { closedir(directory) }
        var pids: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if let pid = Int32(name) { pids.append(pid) }
        }
        var seen: [ProcessSight] = []
        for pid in pids.sorted() {
            if let sight = try inspect(pid) { seen.append(sight) }
        }
        return seen
    }

    @discardableResult
    package func signal(_ identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool {
        let descriptor = chost_pidfd_open(identity.pid)
        guard descriptor >= 0 else {
            if descriptor == -ESRCH { return false }
            throw .couldNotSignal(identity, reason: errnoText(-descriptor))
        }
        defer { close(descriptor) }
        // Looked at after the descriptor is held: from here on the pid cannot come to mean another process.
        guard try isAlive(identity) else { return false }
        let failure = chost_pidfd_signal(descriptor, signal)
        if failure == -ESRCH { return false }
        guard failure == 0 else { throw .couldNotSignal(identity, reason: errnoText(-failure)) }
        return true
    }

    @discardableResult
    package func signalGroup(of identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool {
        // As long as one member lives, the group's number cannot come to mean another group.
        guard let sight = try inspect(identity.pid), sight.identity == identity else { return false }
        guard sight.group > 1, sight.group != getpgrp() else {
            throw .couldNotSignal(identity, reason: "its process group is our own")
        }
        guard kill(-sight.group, signal) == 0 else {
            if errno == ESRCH { return false }
            throw .couldNotSignal(identity, reason: errnoText(errno))
        }
        return true
    }
}

/// The fields of `/proc/PID/stat` that we use (proc(5)).
struct ProcessStatus: Equatable {
    var state: Character
    var parent: Int32
    var group: Int32
    var startTime: UInt64

    var isLive: Bool { state != "Z" && state != "X" && state != "x" }

    /// The second field is the program's name in parentheses and may hold spaces and parentheses itself:
    /// the fields are counted from the last `)`.
    init?(parsing bytes: [UInt8]) {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(whereSeparator: { $0 == 0x20 || $0 == 0x0A })
            .map { String(decoding: $0, as: UTF8.self) }
        guard fields.count > 19, let state = fields[0].first, fields[0].count == 1,
            let parent = Int32(fields[1]), let group = Int32(fields[2]), let startTime = UInt64(fields[19])
        else { return nil }
        self.state = state
        self.parent = parent
        self.group = group
        self.startTime = startTime
    }
}

/// Arguments are NUL-terminated; an empty one in the middle is an argument too.
func splitCommandLine(_ bytes: [UInt8]) -> [String] {
    var parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    if bytes.last == 0 || bytes.isEmpty { parts.removeLast() }
    return parts
}

/// A file of `/proc` has no size to ask for: read until its end. `nil` when it is gone or not ours to read.
/// - Throws: `.cannotLook` when it may well be there: a process must not pass for gone because we ran out of descriptors.
func readProc(_ path: String) throws(ProcessError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        if [EMFILE, ENFILE, ENOMEM].contains(errno) { throw .cannotLook(reason: "\(path): \(errnoText(errno))") }
        return nil
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 * 1024)
    while bytes.count < 4 << 20 {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return nil }
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    return bytes
}

private func readLink(_ path: String) -> String? {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = target.withUnsafeMutableBytes { readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
    return count > 0 ? String(decoding: target[..<count], as: UTF8.self) : nil
}

/// errno in words.
package func errnoText(_ code: Int32) -> String { String(cString: strerror(code)) }
