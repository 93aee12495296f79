import Foundation
import Glibc
import Testing

@testable import Host

@Suite struct `Processes` {
    let processes = SystemProcesses()

    @Test func `a program's output, error text and exit code are results`() async throws {
        let result = try await processes.run(Program("sh", ["-c", "echo out; echo err >&2; exit 3"]), limit: .seconds(30))
        #expect(result.end == .exited(3))
        #expect(result.output == "out\n")
        #expect(result.errorText == "err\n")
        #expect(!result.isTruncated && !result.isSuccess)
    }

    @Test func `input, environment and directory reach the program`() async throws {
        let text = String(repeating: "x", count: 300_000)
        let program = Program(
            "/bin/sh", ["-c", "wc -c; pwd; echo $COLOUR"], environment: ["COLOUR": "green", "PATH": "/usr/bin:/bin"], directory: "/",
            standardInput: Array(text.utf8))
        let result = try await processes.run(program, limit: .seconds(30))
        #expect(result.output == "300000\n/\ngreen\n")
    }

    @Test func `a program that somebody still holds open for writing is started a moment later`() async throws {
        let path = NSTemporaryDirectory() + "busy-\(UUID().uuidString)"
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o700)
        try #require(file >= 0)
        defer { unlink(path) }
        let script = Array("#!/bin/sh\necho started\n".utf8)
        #expect(script.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == script.count)
        let closing = Thread {
            usleep(60_000)
            close(file)
        }
        closing.start()
        let result = try await SystemProcesses().run(Program(path), limit: .seconds(30))
        #expect(result.output == "started\n")
    }

    @Test func `a program that closes its input early does not harm us`() async throws {
        let result = try await processes.run(
            Program("true", standardInput: [UInt8](repeating: 0, count: 1 << 20)), limit: .seconds(30))
        #expect(result.isSuccess)
    }

    @Test func `more output than is kept is dropped and said so`() async throws {
        let result = try await processes.run(Program("sh", ["-c", "head -c 100000 /dev/zero"]), limit: .seconds(30), outputMax: 1000)
        #expect(result.isSuccess)
        #expect(result.standardOutput.count == 1000)
        #expect(result.isTruncated)
    }

    @Test func `a program whose time is up is ended, and its last words are kept`() async {
        await #expect {
            _ = try await processes.run(Program("sh", ["-c", "echo started; exec sleep 600"]), limit: .seconds(1))
        } throws: { error in
            guard case ProcessError.tookTooLong(_, _, let output) = error else { return false }
            return output == "started\n"
        }
    }

    @Test func `a grandchild that keeps the output open is not waited for`() async throws {
        // Had it been waited for, the limit would have come first.
        let result = try await processes.run(Program("sh", ["-c", "sleep 600 & echo $!"]), limit: .seconds(300))
        #expect(result.isSuccess)
        if let pid = Int32(result.output.dropLast()) { kill(pid, SIGKILL) }
    }

    @Test func `a cancelled wait ends the program`() async {
        let run = Task { try await processes.run(Program("sleep", ["600"]), limit: .seconds(300)) }
        run.cancel()
        await #expect(throws: ProcessError.cancelled(program: "sleep")) { _ = try await run.value }
    }

    @Test func `what cannot be started says why`() async {
        await #expect(throws: ProcessError.couldNotStart(program: "/nowhere/program", reason: "No such file or directory")) {
            _ = try await processes.run(Program("/nowhere/program"), limit: .seconds(5))
        }
        await #expect(throws: ProcessError.self) { _ = try await processes.run(Program("sh", ["a\0b"]), limit: .seconds(5)) }
    }

    @Test func `only the very process is signalled, never a later owner of its pid`() async throws {
        let identity = try processes.spawn(Program("sleep", ["600"]), output: nil)
        let sight = try #require(try processes.inspect(identity.pid))
        #expect(sight.identity == identity)
        #expect(sight.parent == getpid())
        let impostor = ProcessIdentity(pid: identity.pid, startTime: identity.startTime + 1)
        let reachedImpostor = try processes.signal(impostor, SIGKILL)
        #expect(!reachedImpostor)
        #expect(try processes.isAlive(identity))
        #expect(try processes.list().contains { $0.identity == identity })

        let reached = try processes.signal(identity, SIGKILL)
        #expect(reached)
        try await gone(identity)
        #expect(try processes.signal(identity, SIGKILL) == false)
    }

    @Test func `a group is ended with everyone in it, and never our own`() async throws {
        let leader = try processes.spawn(Program("sh", ["-c", "sleep 600 & wait"]), output: nil)
        let deadline = ContinuousClock.now + .seconds(20)
        var members: [ProcessSight] = []
        while members.count < 2 {
            try #require(ContinuousClock.now < deadline, "the shell's child does not come")
            members = try processes.list().filter { $0.group == leader.pid }
        }
        let reached = try processes.signalGroup(of: leader, SIGTERM)
        #expect(reached)
        for member in members { try await gone(member.identity) }
        #expect(try processes.signalGroup(of: leader, SIGTERM) == false)
        let own = try #require(try processes.inspect(getpid()))
        #expect(throws: ProcessError.self) { try processes.signalGroup(of: own.identity, 0) }
    }

    @Test func `a detached program has its own session and appends to its file`() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: file) }
        for word in ["one", "two"] {
            let identity = try processes.spawn(Program("sh", ["-c", "echo \(word)"]), output: file)
            try await gone(identity)
        }
        #expect(FileManager.default.contents(atPath: file) == Data("one\ntwo\n".utf8))
    }

    @Test func `arguments come back as they were given, empty ones too`() throws {
        #expect(splitCommandLine(Array("a\0\0b c\0".utf8)) == ["a", "", "b c"])
        #expect(splitCommandLine([]) == [])
        let own = try #require(try processes.inspect(getpid()))
        #expect(own.commandLine == CommandLine.arguments)
        #expect(own.executable != nil)
    }

    @Test func `a program's name may hold parentheses and spaces`() throws {
        let numbers = (4...52).map(String.init).joined(separator: " ")
        let status = try #require(ProcessStatus(parsing: Array("42 (a) S (b) R 7 \(numbers)\n".utf8)))
        #expect(status.state == "R" && status.parent == 7 && status.startTime == 21)
        #expect(ProcessStatus(parsing: Array("42 (a) R 7".utf8)) == nil)
        #expect(ProcessStatus(parsing: []) == nil)
    }

    private func gone(_ identity: ProcessIdentity) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try processes.isAlive(identity) {
            try #require(ContinuousClock.now < deadline, "\(identity) does not end")
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
