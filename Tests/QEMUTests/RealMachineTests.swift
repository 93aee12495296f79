import Foundation
import Host
import Logging
import Testing

@testable import QEMU

/// Real guests under TCG; minutes on a busy machine.
@Suite(
    .serialized,
    .enabled(if: RealMachines.isPossible, "real machines are skipped: \(RealMachines.obstacle ?? "")"))
struct `A real machine` {
    private let room: Room
    private let processes = SystemProcesses()
    private let images = Images(processes: SystemProcesses())

    init() throws { room = try Room() }

    private func hypervisor() -> Hypervisor {
        Hypervisor(machines: room.path + "/m", processes: processes, time: SystemTime(), logger: Logger(label: "test"))
    }

    private func definition(_ name: String, _ guest: TinyGuest) -> MachineDefinition {
        MachineDefinition(
            name: name, uuid: UUID().uuidString.lowercased(), cpus: 1, memoryBytes: 256 << 20, accelerator: .tcg,
            kernel: .init(kernel: guest.kernel, initrd: guest.initrd, commandLine: "console=ttyS0 quiet panic=-1"),
            directory: room.path + "/m/" + name)
    }

    private func running(_ name: String, _ hypervisor: Hypervisor) async throws -> RunningMachine {
        let sight = try await hypervisor.observe(name)
        guard case .running(let machine) = sight else { throw MachineError.program("\(name) is \(sight)") }
        return machine
    }

    private func until(_ what: String, within limit: Duration = .seconds(120), _ isSo: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + limit
        while try await !isSo() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen within \(limit)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func serial(_ hypervisor: Hypervisor, _ name: String) -> String {
        FileManager.default.contents(atPath: hypervisor.files(of: name).serialLog).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Nothing may be left running, whatever a test found.
    private func ending(_ hypervisor: Hypervisor, _ body: () async throws -> Void) async throws {
        do { try await body() } catch {
            for stray in (try? await hypervisor.strays(known: [])) ?? [] { try? await hypervisor.quit(stray.name) }
            throw error
        }
        for stray in try await hypervisor.strays(known: []) {
            try await hypervisor.quit(stray.name)
            try await hypervisor.clear(stray.name)
        }
        let strays = try await hypervisor.strays(known: [])
        #expect(strays == [])
    }

    @Test func `it boots, runs as defined, obeys the power button and is cleared`() async throws {
        let hypervisor = hypervisor()
        try await ending(hypervisor) {
            var machine = definition("web", try await TinyGuest(in: room))
            let disk = room.path + "/root, 1.qcow2"
            try await images.create(disk, format: "qcow2", bytes: 1 << 30)
            machine.drives = [.init(path: disk, serial: "root", bootIndex: 0)]
            machine.interfaces = [
                .init(mac: "52:54:00:00:00:01", backend: .multicast(group: "230.0.0.1:1234", localAddress: "127.0.0.1"), bootIndex: 1),
                .init(mac: "52:54:00:00:00:02", backend: .user(forwards: [:])),
            ]
            if let firmware = findFirmware() { machine.firmware = firmware.firmware }
            try await hypervisor.start(machine)
            let seen = try await running("web", hypervisor)
            #expect(seen.status == "running" && seen.uuid == machine.uuid && !seen.isPoweringDown)
            #expect(differences(wanted: machine.arguments(), running: seen.commandLine) == [])
            await #expect(throws: MachineError.alreadyRunning(name: "web", pid: seen.pid)) { try await hypervisor.start(machine) }
            let open = try await images.inspect(disk)
            #expect(open?.virtualBytes == 1 << 30)

            try await until("GUEST-READY") { serial(hypervisor, "web").contains("GUEST-READY") }
            // A guest that is still opening its devices does not hear the button: it is pressed again.
            var pressed = ContinuousClock.now - .seconds(10)
            try await until("power off") {
                if case .leftovers = try await hypervisor.observe("web") { return true }
                if ContinuousClock.now - pressed >= .seconds(5) {
                    pressed = ContinuousClock.now
                    try? await hypervisor.powerDown("web")
                }
                return false
            }
            #expect(serial(hypervisor, "web").contains("BUTTON-PRESSED"))
            try await hypervisor.clear("web")
            #expect(try await hypervisor.observe("web") == .absent)
        }
    }

    @Test func `one with as many disks and interfaces as may be written starts`() async throws {
        let hypervisor = hypervisor()
        try await ending(hypervisor) {
            var machine = definition("wide", try await TinyGuest(in: room))
            machine.drives = (0..<26).map { (index: Int) in .init(path: "\(room.path)/\(index).img", format: "raw", serial: "d\(index)", bootIndex: index) }
            for drive in machine.drives { try Data(count: 1 << 20).write(to: URL(filePath: drive.path)) }
            let subnet = MachineDefinition.Interface.UserSubnet(subnet: "192.168.76.0/24", host: "192.168.76.1", dns: "192.168.76.3", guest: "192.168.76.10")
            machine.interfaces = (0..<10).map { .init(mac: "52:54:00:00:00:1\($0)", backend: .user(forwards: [:], subnet: $0 == 0 ? subnet : nil)) }
            try await hypervisor.start(machine)
            #expect(differences(wanted: machine.arguments(), running: try await running("wide", hypervisor).commandLine) == [])
        }
    }

    @Test func `a kill is told within a second, and what is left can be named and started again`() async throws {
        let hypervisor = hypervisor()
        try await ending(hypervisor) {
            let machine = definition("web", try await TinyGuest(in: room))
            let events = hypervisor.events()
            let watching = Task { try await hypervisor.run() }
            try await hypervisor.start(machine)
            let seen = try await running("web", hypervisor)
            var heard: [MachineEvent.Kind] = []
            var killedAt: ContinuousClock.Instant?
            for await event in events {
                heard.append(event.kind)
                if event.kind == .attached {
                    killedAt = ContinuousClock.now
                    try processes.signal(seen.identity, SIGKILL)
                }
                if event.kind == .exited { break }
            }
            let took = ContinuousClock.now - (try #require(killedAt))
            #expect(took < .seconds(1), "noticed after \(took)")
            guard case .leftovers(let files) = try await hypervisor.observe("web") else { Issue.record("it is still there"); return }
            #expect(files.contains("pid") && files.contains("qmp.sock"))
            try await hypervisor.start(machine)
            let again = try await running("web", hypervisor)
            #expect(again.identity != seen.identity)
            try await hypervisor.quit("web")
            watching.cancel()
            try await watching.value
        }
    }

    @Test func `another hypervisor finds it, and waits while a first one holds it`() async throws {
        let first = hypervisor()
        try await ending(first) {
            let watching = Task { try await first.run() }
            try await first.start(definition("web", try await TinyGuest(in: room)))
            let seen = try await running("web", first)

            let second = hypervisor()
            guard case .unreachable(let why) = try await second.observe("web") else { Issue.record("two clients at once"); return }
            #expect(why.contains("pid \(seen.pid) lives, but another QMP client holds"))

            watching.cancel()
            try await watching.value
            try await until("adoption") {
                if case .running = try await second.observe("web") { return true }
                return false
            }
            #expect(try await running("web", second).identity == seen.identity)
            // Found again even without its pid file.
            try FileManager.default.removeItem(atPath: second.files(of: "web").pid)
            #expect(try await running("web", second).identity == seen.identity)
            try await second.quit("web")
            #expect(try !processes.isAlive(seen.identity))
        }
    }

    @Test func `what QEMU refuses is told in its own words`() async throws {
        let hypervisor = hypervisor()
        try await ending(hypervisor) {
            var machine = definition("web", try await TinyGuest(in: room))
            machine.drives = [.init(path: room.path + "/nowhere.qcow2", serial: "root")]
            await #expect {
                try await hypervisor.start(machine)
            } throws: { "\($0)".contains("nowhere.qcow2': No such file or directory") }
        }
    }

    @Test func `images are made whole, grown, and never shrunk or overwritten`() async throws {
        let path = room.path + "/deep/er/disk.qcow2"
        #expect(try await images.inspect(path) == nil)
        try await images.create(path, format: "qcow2", bytes: 1 << 30)
        let made = try #require(try await images.inspect(path))
        #expect(made.format == "qcow2" && made.virtualBytes == 1 << 30 && made.actualBytes < 1 << 20 && !made.isCorrupt)
        await #expect(throws: MachineError.self) { try await images.create(path, format: "qcow2", bytes: 1 << 20) }
        try await images.grow(path, format: "qcow2", to: 2 << 30)
        #expect(try await images.inspect(path)?.virtualBytes == 2 << 30)
        await #expect { try await images.grow(path, format: "qcow2", to: 1 << 30) } throws: { "\($0)".contains("shrink") }

        let overlay = room.path + "/overlay.qcow2"
        try await images.create(overlay, format: "qcow2", bytes: nil, backing: (path: path, format: "qcow2"))
        #expect(try await images.inspect(overlay)?.backing == Image.Backing(path: path, format: "qcow2"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: room.path + "/deep/er") == ["disk.qcow2"])

        try room.write("text.qcow2", "not an image")
        #expect(try await images.inspect(room.path + "/text.qcow2")?.format == "raw")
        await #expect { try await images.create(room.path + "/x.qcow2", format: "qcow9", bytes: 1) } throws: { "\($0)".contains("qcow9") }
        try await images.delete(overlay)
        try await images.delete(overlay)
        #expect(try await images.inspect(overlay) == nil)
    }

    @Test func `the probe's guests boot where guests boot, and its verdict comes in time`() async throws {
        let probe = AcceleratorProbe(processes: processes, time: SystemTime(), limit: .seconds(90))
        let sector = try await probe.boot(.bootSector, .tcg)
        #expect(sector.worked, "\(sector.evidence)")
        let kernel = try await probe.boot(.kernel(try #require(GuestKernel.found).path), .tcg)
        #expect(kernel.worked, "\(kernel.evidence)")
        let verdict = try await probe.probe(kernel: nil)
        #expect(!verdict.reason.isEmpty && !verdict.evidence.isEmpty && verdict.seconds < 100)
        let version = try await qemuVersion(processes: processes)
        #expect(version.split(separator: ".").count >= 2)
    }
}
