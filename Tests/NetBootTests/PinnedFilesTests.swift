import Crypto
import Foundation
import Glibc
import Host
import Testing

@testable import NetBoot

@Suite struct PinnedFilesTests {
    /// Stands at the last change of a file, or so long after it.
    private struct FileTime: Time {
        var path: String
        var later = 0

        func date() -> Date {
            var found = stat()
            return stat(path, &found) == 0 ? Date(timeIntervalSince1970: Double(found.st_ctim.tv_sec + later)) : Date()
        }

        func now() -> Instant { at(0) }
        func sleep(until deadline: Instant) async throws {}
    }

    @Test(arguments: [(0, true), (1, true), (2, false), (3600, false), (-3600, false)])
    func `what was written only just now may be written again with the same times, and is read once more`(later: Int, isReadAgain: Bool) async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "plasma-pinned-\(UUID().uuidString)").path, size = 4096
        defer { unlink(path) }
        try Data(repeating: 1, count: size).write(to: URL(filePath: path))
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let memory = try #require(mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0))
        defer { munmap(memory, size) }
        var isSound = false, wasSeen = true
        // The first write to a page changes the times of its file; the second does not, unless the page was written back meanwhile.
        for _ in 0..<100 where wasSeen {
            memory.storeBytes(of: 2, as: UInt8.self)
            let digest = SHA256.hash(data: [2] + [UInt8](repeating: 1, count: size - 1)).map { String(format: "%02x", $0) }.joined()
            let files = PinnedFiles(time: FileTime(path: path, later: later)), file = PinnedFile(path: path, digest: digest)
            let before = PinnedFiles.Identity(descriptor)
            #expect(await files.examine(file) == .sound)
            memory.storeBytes(of: 3, as: UInt8.self)
            isSound = await files.examine(file) == .sound
            wasSeen = PinnedFiles.Identity(descriptor) != before
        }
        try #require(!wasSeen)
        #expect(isSound != isReadAgain)
    }
}
