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
}
