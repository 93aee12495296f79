import Foundation
import Host
import Logging
import Synchronization
import Testing

@testable import QEMU

/// A directory of its own, short enough for sockets, removed when the test is over.
final class Room: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/pq-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func read(_ name: String) -> String? {
        FileManager.default.contents(atPath: path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }
}

@Suite struct `The hypervisor without machines` {
    private let room: Room
    init() throws { room = try Room() }

    private func hypervisor(_ processes: FakeProcesses = FakeProcesses()) -> Hypervisor {
        Hypervisor(machines: room.path, processes: processes, time: SystemTime(), logger: Logger(label: "test"))
    }

    private func process(_ pid: Int32, _ name: String, startTime: UInt64 = 5) -> ProcessSight {
        ProcessSight(
            identity: ProcessIdentity(pid: pid, startTime: startTime), parent: 1,
            commandLine: ["qemu-system-x86_64", "-uuid", "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b", "-pidfile", "\(room.path)/\(name)/pid"],
            executable: nil)
    }

    private func machine(_ name: String) -> MachineDefinition {
        MachineDefinition(
            name: name, uuid: "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b", cpus: 1, memoryBytes: 64 << 20, accelerator: .tcg,
            directory: room.path + "/" + name)
    }

    @Test func `no directory is absent, files without a process are left over`() async throws {
        #expect(try await hypervisor().observe("web") == .absent)
        try room.write("web/serial.log", "hello")
        try room.write("web/pid", "77\n")
        #expect(try await hypervisor().observe("web") == .leftovers(["pid", "serial.log"]))
    }

    @Test func `a pid file that names someone else's process proves nothing`() async throws {
        try room.write("web/pid", "77\n")
        let stranger = process(77, "other")
        #expect(try await hypervisor(FakeProcesses(seen: [stranger])).observe("web") == .leftovers(["pid"]))
    }

    @Test func `a process whose pid file is gone is found all the same`() async throws {
        let sight = try await hypervisor(FakeProcesses(seen: [process(70, "other"), process(77, "web")])).observe("web")
        guard case .unreachable(let why) = sight else { Issue.record("\(sight)"); return }
        #expect(why.hasPrefix("pid 77 lives, but its QMP socket cannot be opened"))
    }

    @Test func `a machine that could not be asked while it was starting is asked again at once`() async throws {
        let hypervisor = hypervisor(FakeProcesses(seen: [process(77, "web")]))
        try room.write("web/pid", "77\n")
        guard case .unreachable = try await hypervisor.observe("web") else { Issue.record("nobody listens"); return }
        let monitor = try await FakeMonitor.listen(room.path + "/web/qmp.sock", uuid: "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b")
        guard case .running(let seen) = try await hypervisor.observe("web") else { Issue.record("it listens"); return }
        #expect(seen.status == "running")
        await hypervisor.monitor.release()
        try await monitor.close()
    }

    @Test(.timeLimit(.minutes(1))) func `a monitor that does not tell its UUID is let go, so that it can be asked again`() async throws {
        let hypervisor = hypervisor(FakeProcesses(seen: [process(77, "web")]))
        try room.write("web/pid", "77\n")
        let (ends, ended) = AsyncStream.makeStream(of: Void.self)
        let monitor = try await FakeMonitor.listen(
            room.path + "/web/qmp.sock", uuid: "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b", refusing: "query-uuid"
        ) { ended.yield() }
        guard case .unreachable(let why) = try await hypervisor.observe("web") else { Issue.record("it told its state"); return }
        #expect(why.contains("not today"))
        for await _ in ends { break }
        try await monitor.close()
    }

    @Test func `while QEMU daemonizes the younger of two processes counts`() throws {
        let found = try hypervisor(FakeProcesses(seen: [process(70, "web", startTime: 8), process(77, "web", startTime: 9)])).find("web")
        #expect(found?.identity.pid == 77)
    }

    @Test func `QEMU's own words are in the error`() async throws {
        let broken = FakeProcesses(errorText: "qemu-system-x86_64: -smp: no such thing\n", end: .exited(1))
        await #expect(throws: MachineError.couldNotStart(name: "web", "qemu-system-x86_64: -smp: no such thing")) {
            try await hypervisor(broken).start(machine("web"))
        }
        #expect(try await hypervisor().observe("web") == .leftovers([]))
        let mode = try FileManager.default.attributesOfItem(atPath: room.path + "/web")[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o700)
    }

    @Test func `a socket path that the kernel would refuse is refused before anything is made`() async throws {
        let name = String(repeating: "n", count: 100)
        await #expect {
            try await hypervisor().start(machine(name))
        } throws: { "\($0)".contains("use a shorter data directory or machine name") }
        #expect(try await hypervisor().observe(name) == .absent)
    }

    @Test(arguments: ["", ".", "..", "../x", "a/b"]) func `a name that leads elsewhere is refused`(_ name: String) async {
        await #expect(throws: MachineError.self) { _ = try await hypervisor().observe(name) }
        await #expect(throws: MachineError.self) { try await hypervisor().clear(name) }
    }

    @Test func `a running machine is neither started nor cleared`() async throws {
        let busy = hypervisor(FakeProcesses(seen: [process(77, "web")]))
        await #expect(throws: MachineError.alreadyRunning(name: "web", pid: 77)) { try await busy.start(machine("web")) }
        await #expect(throws: MachineError.alreadyRunning(name: "web", pid: 77)) { try await busy.clear("web") }
        await #expect(throws: MachineError.notRunning(name: "web")) { try await hypervisor().powerDown("web") }
        await #expect(throws: MachineError.couldNotEnd(name: "web", pid: 77)) {
            try await Hypervisor(
                machines: room.path, processes: FakeProcesses(seen: [process(77, "web")]), time: HurriedTime(), logger: Logger(label: "test")
            ).quit("web")
        }
    }

    @Test func `a machine that runs by another name of its directory is not started a second time, and keeps its files`() async throws {
        func host(_ commandLine: [String]) -> Hypervisor {
            hypervisor(FakeProcesses(seen: [
                ProcessSight(identity: ProcessIdentity(pid: 77, startTime: 5), parent: 1, commandLine: commandLine, executable: nil)
            ]))
        }
        let twin = host(["qemu-system-x86_64", "-uuid", "7F0C2A6E-3A55-4D0E-9A6B-0C5A3F1D2E4B", "-pidfile", "/elsewhere/web/pid"])
        try room.write("web/qmp.sock", "")
        await #expect {
            try await twin.start(machine("web"))
        } throws: { "\($0)".contains("pid 77") && "\($0)".contains("/elsewhere/web/pid") }
        #expect(try await twin.observe("web") == .leftovers(["qmp.sock"]))
        // Who only names the UUID is no machine: this one comes as far as to be started.
        let reader = host(["grep", "-uuid", "7f0c2a6e-3a55-4d0e-9a6b-0c5a3f1d2e4b"])
        await #expect {
            try await reader.start(machine("web"))
        } throws: { "\($0)".contains("went into the background") }
    }

    @Test func `a running machine's serial log is begun anew before it fills the disk, and its end is kept`() async throws {
        var bounded = Hypervisor(
            machines: room.path, processes: FakeProcesses(seen: [process(77, "web")]), time: SleeplessTime(), logger: Logger(label: "test"))
        bounded.serialLogBound = SerialLogBound(bytesMax: 10, bytesKept: 4)
        let hypervisor = bounded
        for (file, text) in [("web/pid", "77\n"), ("web/serial.log", "0123456789"), ("web/serial.log.1", "older"), ("off/serial.log", "0123456789A")] {
            try room.write(file, text)
        }
        try await hypervisor.run()
        #expect(room.read("web/serial.log") == "0123456789" && room.read("web/serial.log.1") == "older")
        // As QEMU has it open.
        let log = FileHandle(fileDescriptor: open(room.path + "/web/serial.log", O_WRONLY | O_APPEND | O_CLOEXEC), closeOnDealloc: true)
        try log.write(contentsOf: Data("A".utf8))
        try await hypervisor.run()
        #expect(room.read("web/serial.log") == "" && room.read("web/serial.log.1") == "789A")
        let mode = try FileManager.default.attributesOfItem(atPath: room.path + "/web/serial.log.1")[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        try log.write(contentsOf: Data("again".utf8))
        #expect(room.read("web/serial.log") == "again")
        #expect(try await hypervisor.observe("off") == .leftovers(["serial.log"]))
        #expect(room.read("off/serial.log") == "0123456789A", "nothing of what does not run is touched")
    }

    @Test func `a serial log is begun anew also where its end cannot be kept`() throws {
        try room.write("web/serial.log", "0123456789")
        // A directory in the place of the file.
        try room.write("web/serial.log.1/file", "")
        let files = MachineFiles(directory: room.path + "/web")
        let problem = SerialLogBound(bytesMax: 4, bytesKept: 4).hold(files)
        #expect(problem?.contains("serial.log.1") == true)
        #expect(room.read("web/serial.log") == "")
        #expect(SerialLogBound(bytesMax: 4, bytesKept: 4).hold(files) == nil)
        #expect(!FileManager.default.fileExists(atPath: SerialLogBound.draft(of: files)))
    }

    @Test func `of a server that is cancelled no machine is killed sooner than it would be`() async throws {
        let processes = NotedProcesses(base: FakeProcesses(seen: [process(77, "web")]))
        let hypervisor = Hypervisor(machines: room.path, processes: processes, time: SystemTime(), logger: Logger(label: "test"))
        let ending = Task { try await hypervisor.quit("web") }
        ending.cancel()
        await #expect(throws: MachineError.couldNotEnd(name: "web", pid: 77)) { try await ending.value }
        #expect(processes.signals.withLock { $0 } == [])
    }

    @Test func `clearing removes the machine's files and nothing of anyone else`() async throws {
        let own = ["pid", "qmp.sock", "console.sock", "serial.log", "serial.log.1", "serial.log.1.new", "OVMF_VARS.fd", "OVMF_VARS.fd.new"]
        for file in own { try room.write("web/\(file)", "") }
        try await hypervisor().clear("web")
        #expect(try await hypervisor().observe("web") == .absent)
        try await hypervisor().clear("web")
        try room.write("web/root.qcow2", "precious")
        try room.write("web/pid", "")
        await #expect { try await hypervisor().clear("web") } throws: { "\($0)".contains("root.qcow2") }
        #expect(try await hypervisor().observe("web") == .leftovers(["root.qcow2"]))
    }

    @Test func `strays are directories and processes that nobody declared`() async throws {
        try room.write("old/serial.log", "")
        try room.write("web/serial.log", "")
        try room.write("a-file", "")
        let strays = try await hypervisor(FakeProcesses(seen: [process(77, "ghost")])).strays(known: ["web"])
        #expect(strays.map(\.name) == ["ghost", "old"])
        #expect(strays.last?.sight == .leftovers(["serial.log"]))
    }
}

/// Notes what is sent.
private final class NotedProcesses: Processes {
    private let base: FakeProcesses
    let signals = Mutex<[Int32]>([])

    init(base: FakeProcesses) { self.base = base }

    func run(_ program: Program, limit: Duration, outputMax: Int) async throws(ProcessError) -> ProgramResult {
        try await base.run(program, limit: limit, outputMax: outputMax)
    }
    func spawn(_ program: Program, output: String?) throws(ProcessError) -> ProcessIdentity { try base.spawn(program, output: output) }
    func inspect(_ pid: Int32) throws(ProcessError) -> ProcessSight? { try base.inspect(pid) }
    func list() throws(ProcessError) -> [ProcessSight] { try base.list() }
    func signal(_ identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool {
        signals.withLock { $0.append(signal) }
        return true
    }
    func signalGroup(of identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool { false }
}

/// A clock on which every look takes a second.
private final class HurriedTime: Time {
    private let base = SystemTime()
    private let looks = Counter()

    func now() -> Instant { Instant(sinceStart: .seconds(looks.next())) }
    func date() -> Date { base.date() }
    func sleep(until deadline: Instant) async throws {}
}

/// A clock on which nobody sleeps: who would is to end.
private struct SleeplessTime: Time {
    private let base = SystemTime()

    func now() -> Instant { base.now() }
    func date() -> Date { base.date() }
    func sleep(until deadline: Instant) async throws { throw CancellationError() }
}
