import Foundation
import Host
import Logging
@testable import Replica
import Testing

/// The same on the disk of this machine.
@Suite struct RealDiskTests {
    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func open(_ directory: String, _ machine: Notebook, _ options: ReplicaOptions) throws -> Replica<Notebook> {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try Replica(directory: directory, disk: SystemDisk(), machine: machine, options: options, membership: alone, logger: logger)
    }

    @Test func `what was acknowledged is there after a restart`() async throws {
        try await withDirectory { directory in
            var options = ReplicaOptions()
            options.segmentBytes = 64 << 10
            options.checkpointCommands = 500
            let log = directory + "/a/b/log"
            let machine = Notebook()
            let replica = try open(log, machine, options)
            let run = Task { try await replica.run() }
            try await withThrowingTaskGroup { group in
                for task in 0..<16 {
                    group.addTask {
                        for number in 0..<100 { _ = try await replica.propose(command(task << 16 + number, bytes: 256)) }
                    }
                }
                try await group.waitForAll()
            }
            do {
                _ = try open(log, Notebook(), options)
                Issue.record("two opened the log")
            } catch let error as ReplicaError {
                #expect("\(error)" == "\(log)/lock is locked by process \(getpid()); stop that process first")
            }
            run.cancel()
            try await run.value
            let check = LogCheck.run(log)
            #expect(check.problem == nil && check.tornBytes == 0 && check.lastIndex == 1602, "\(check)")
            let again = Notebook(machine.all.dropLast(10))
            let second = try open(log, again, options)
            #expect(again.commands == machine.commands)
            #expect(second.status.term == 3)
        }
    }

    /// A child that was forked and has not become its program yet holds the lock, too, for a moment after it was let go.
    @Test func `a lock that its own process has just let go is waited for, one of a process that lives is not`() async throws {
        try await withDirectory { directory in
            let disk = SystemDisk()
            try disk.makeDirectory(directory)
            let path = directory + "/lock"
            var lock: (any DiskLock)? = try disk.lock(path)
            // As the child has it: one open file more, which goes by itself.
            let copies = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }.filter {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
            }.map { dup($0) }
            #expect(copies.count == 1 && lock != nil)
            lock = nil
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(50)) { for copy in copies { close(copy) } }
            let again = try disk.lock(path)
            try withExtendedLifetime(again) {
                try "1\n".write(toFile: path, atomically: false, encoding: .utf8)
                let began = ContinuousClock.now
                #expect(throws: DiskError.locked(path: path, holder: 1)) { try disk.lock(path) }
                #expect(ContinuousClock.now - began < .milliseconds(900))
            }
        }
    }

    @Test func `errors name the path and the system's words`() async throws {
        try await withDirectory { directory in
            let disk = SystemDisk()
            try disk.makeDirectory(directory)
            let path = directory + "/none"
            #expect(throws: DiskError.missing(operation: "open", path: path)) { try disk.open(path, .read) }
            let file = try disk.open(directory + "/file", .create)
            try file.preallocate(3 << 20)
            try file.write([1, 2, 3], at: 5)
            try file.sync()
            #expect(try file.size() == 3 << 20)
            #expect(try file.read(at: 4, count: 5) == [0, 1, 2, 3, 0])
            try file.truncate(to: 7)
            #expect(try file.read(at: 4, count: 9) == [0, 1, 2])
            #expect(try disk.list(directory) == ["file"])
            do throws(DiskError) { try disk.makeDirectory(directory + "/file/sub") } catch {
                #expect(error.description.contains("/file/sub: Not a directory (errno 20)"))
            }
        }
    }

    @Test func `who has time makes zeros piece by piece, and all of them`() async throws {
        try await withDirectory { directory in
            let disk = SystemDisk()
            try disk.makeDirectory(directory)
            let file = try disk.open(directory + "/file", .create)
            let bytes = UInt64(3 * BackgroundThread.pieceBytes + 5)
            let rests = try BackgroundThread.patiently { () throws(DiskError) in
                try file.preallocate(bytes)
                return BackgroundThread.rests
            }
            #expect(rests == 3)
            #expect(BackgroundThread.rests == nil)
            #expect(try file.read(at: 0, count: Int(bytes) + 1) == [UInt8](repeating: 0, count: Int(bytes)))
        }
    }
}
