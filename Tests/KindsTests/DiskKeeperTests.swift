import Foundation
import Host
import Logging
import Manifest
import QEMU
import Reconcile
import Resource
import Testing

@testable import Kinds

@Suite struct DiskKeeperTests {
    @Test(arguments: [1024, 1000]) func `of an image behind a link the image is looked at`(bytes: Int) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/plasma-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data(count: bytes).write(to: URL(fileURLWithPath: directory + "/image.raw"))
        try FileManager.default.createSymbolicLink(atPath: directory + "/link.raw", withDestinationPath: directory + "/image.raw")
        let processes = AnsweringProcesses { _ in
            .success(ProgramResult(end: .exited(0), standardOutput: Array("{\"format\": \"raw\", \"virtual-size\": 1024, \"actual-size\": 4096}".utf8)))
        }
        let keeper = Kinds.Disk.Keeper(
            images: Images(processes: processes),
            hypervisor: Hypervisor(machines: directory, processes: processes, time: SystemTime(), logger: Logger(label: "test")), directory: directory)
        let disk: Resource<Kinds.Disk> = try PlanTests().draft(
            "kind: Disk\nmetadata: {name: root}\nspec: {size: 2GiB, format: raw, path: \(directory)/link.raw}", PlanCases.Words(values: [:]))
        let seen = try await keeper.observe(.present(disk), Reader(Ledger()))
        #expect(seen.image == Kinds.Disk.Sight.Seen(format: "raw", bytes: 1024, allocated: 4096, isRagged: bytes == 1000))
    }

    private func keeper(_ directory: String) -> Kinds.Disk.Keeper {
        let processes = AnsweringProcesses { _ in
            .success(ProgramResult(end: .exited(0), standardOutput: Array("{\"format\": \"raw\", \"virtual-size\": 1024, \"actual-size\": 4096}".utf8)))
        }
        return Kinds.Disk.Keeper(
            images: Images(processes: processes),
            hypervisor: Hypervisor(machines: directory, processes: processes, time: SystemTime(), logger: Logger(label: "test")), directory: directory)
    }

    private func disk(_ name: String, _ path: String?) throws -> Resource<Kinds.Disk> {
        try PlanTests().draft(
            "kind: Disk\nmetadata: {name: \(name)}\nspec: {size: 2GiB, format: raw\(path.map { ", path: \($0)" } ?? "")}", PlanCases.Words(values: [:]))
    }

    /// A mount that broke answers so, too: its images are not gone.
    @Test func `what cannot be looked at is not gone`() async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/plasma-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createSymbolicLink(atPath: directory + "/circle.raw", withDestinationPath: directory + "/circle.raw")
        let keeper = keeper(directory), circle = try disk("root", directory + "/circle.raw")
        let failure = await #expect(throws: MachineError.self) { try await keeper.observe(.present(circle), Reader(Ledger())) }
        #expect("\(failure.map { "\($0)" } ?? "")".contains("circle.raw"))
        #expect(try await keeper.observe(.present(disk("root", directory + "/none.raw")), Reader(Ledger())).image == nil)
        #expect(try await keeper.observe(.present(disk("root", directory + "/none.raw/below")), Reader(Ledger())).image == nil)
    }

    @Test func `of a path where another disk's image may be by itself that one's name is seen`() async throws {
        let keeper = keeper("/images")
        for (path, name) in [("/images/other.raw", "other"), ("/images/root.raw", nil), ("/elsewhere/other.raw", nil), (nil, nil)] as [(String?, String?)] {
            #expect(try await keeper.observe(.present(disk("root", path)), Reader(Ledger())).namesake == name)
        }
    }

    @Test func `what stays is not looked at when its disk leaves, so that a broken mount holds up nothing`() async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/plasma-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createSymbolicLink(atPath: directory + "/circle.raw", withDestinationPath: directory + "/circle.raw")
        #expect(try await keeper(directory).observe(.absent(disk("root", directory + "/circle.raw")), Reader(Ledger())).image == nil)
    }
}
