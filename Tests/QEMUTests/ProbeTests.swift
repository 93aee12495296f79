import Foundation
import Host
import Testing

@testable import QEMU

@Suite struct `The accelerator probe` {
    private let good = KVMSigns(
        deviceExists: true, deviceOpens: true, cpuinfo: "processor\t: 0\nflags\t\t: fpu vmx sse\n", hasParavirtualModule: false)

    @Test func `cheap signs refuse before anything is booted`() {
        var signs = good
        #expect(signs.refusal == nil)
        signs.cpuinfo = "flags\t\t: fpu sse vmxnet\n"
        #expect(signs.refusal == "/proc/cpuinfo shows neither svm nor vmx")
        signs = good
        signs.hasParavirtualModule = true
        #expect(signs.refusal?.contains("kvm_pvm") == true)
        signs.deviceOpens = false
        #expect(signs.refusal?.contains("cannot be opened") == true)
        signs.deviceExists = false
        #expect(signs.refusal == "there is no /dev/kvm")
    }

    @Test func `a kernel's panic alone is no sign that it ran`() async throws {
        let probe = AcceleratorProbe(processes: FakeProcesses(answer: "Kernel panic - not syncing: Attempted MSR"), time: SystemTime())
        let boot = try await probe.boot(.kernel("/k"), .kvm)
        #expect(!boot.worked)
        #expect(boot.evidence.contains("Attempted MSR"))
        let reached = try await AcceleratorProbe(
            processes: FakeProcesses(answer: "VFS: Unable to mount root fs on unknown-block(0,0)"), time: SystemTime()
        ).boot(.kernel("/k"), .kvm)
        #expect(reached.worked)
    }

    @Test func `what is no guest's verdict is thrown, and one that rests on a timeout says so`() async throws {
        func probe(_ failure: ProcessError, refusal: String? = nil) -> AcceleratorProbe {
            AcceleratorProbe(processes: FakeProcesses(failure: failure), time: SystemTime(), refusal: { refusal })
        }
        for failure in [ProcessError.cancelled(program: "q"), ProcessError.couldNotStart(program: "q", reason: "no memory")] {
            await #expect(throws: failure) { _ = try await probe(failure).probe(kernel: "/k") }
        }
        let late = try await probe(.tookTooLong(program: "q", limit: .seconds(20), output: "SeaBIOS")).probe(kernel: "/k")
        #expect(late.accelerator == .tcg && late.restsOnTimeout && late.refusal == nil)
        let stuck = try await probe(.tookTooLong(program: "q", limit: .seconds(20), output: "VFS: Cannot open root device")).probe(kernel: "/k")
        #expect(stuck.accelerator == .kvm && !stuck.restsOnTimeout)
        let refused = try await probe(.cancelled(program: "q"), refusal: "there is no /dev/kvm").probe(kernel: "/k")
        #expect(refused.accelerator == .tcg && !refused.restsOnTimeout && refused.refusal == "there is no /dev/kvm")
    }

    @Test func `the boot sector has its places right`() {
        let bytes = BootSector.bytes
        #expect(bytes.count == 1 << 20)
        #expect(Array(bytes[510...511]) == [0x55, 0xAA])
        #expect(Array(bytes[0x60..<0x64]) == [0x66, 0xBA, 0xF8, 0x03])
        #expect(Array(bytes[0x80..<0x88]) == [UInt8](repeating: 0, count: 8))
        #expect(String(decoding: bytes[0xA0...].prefix(BootSector.marker.utf8.count), as: UTF8.self) == BootSector.marker)
    }

    @Test func `firmware is a pair or nothing`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let places = ["a", "b"].map {
            FoundFirmware(
                code: directory.appendingPathComponent($0 + "-code").path,
                variablesTemplate: directory.appendingPathComponent($0 + "-vars").path)
        }
        try Data().write(to: URL(fileURLWithPath: places[0].code))
        #expect(findFirmware(among: places) == nil)
        for path in [places[1].code, places[1].variablesTemplate] { try Data().write(to: URL(fileURLWithPath: path)) }
        #expect(findFirmware(among: places) == places[1])
    }

    @Test func `QEMU's version is read from its own words`() async throws {
        let version = try await qemuVersion(processes: FakeProcesses(answer: "QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright\n"))
        #expect(version == "7.2.22")
        await #expect(throws: MachineError.self) { _ = try await qemuVersion(processes: FakeProcesses(answer: "hello")) }
    }
}

/// Processes made of values: every run gives the same answer, and `seen` is what lives.
struct FakeProcesses: Processes {
    var answer = ""
    var errorText = ""
    var end = ProgramResult.End.exited(0)
    var seen: [ProcessSight] = []
    var failure: ProcessError?

    func run(_ program: Program, limit: Duration, outputMax: Int) async throws(ProcessError) -> ProgramResult {
        if let failure { throw failure }
        return ProgramResult(end: end, standardOutput: Array(answer.utf8), standardError: Array(errorText.utf8))
    }
    func spawn(_ program: Program, output: String?) throws(ProcessError) -> ProcessIdentity { ProcessIdentity(pid: 1, startTime: 1) }
    func inspect(_ pid: Int32) throws(ProcessError) -> ProcessSight? { seen.first { $0.identity.pid == pid } }
    func list() throws(ProcessError) -> [ProcessSight] { seen }
    func signal(_ identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool { false }
    func signalGroup(of identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool { false }
}
