import Foundation
import Testing

@testable import QEMU

@Suite struct `Images without qemu-img` {
    @Test func `a link is not deleted in the place of what it leads to`() async throws {
        let room = try Room()
        try room.write("data/root.raw", "precious")
        let images = Images(processes: FakeProcesses())
        for (name, target) in [("far.raw", room.path + "/data/root.raw"), ("near.raw", "data/root.raw")] {
            let link = room.path + "/" + name
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
            await #expect {
                try await images.delete(link)
            } throws: { "\($0)".contains("\(link): is a link to \(room.path)/data/root.raw: ") }
            #expect(room.read(name) == "precious")
        }
        try await images.delete(room.path + "/data/root.raw")
        try await images.delete(room.path + "/data/root.raw")
        #expect(room.read("data/root.raw") == nil)
    }
}
