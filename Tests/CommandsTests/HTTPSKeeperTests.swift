import Foundation
import Logging
import PKI
import Simulation
import Testing

@testable import Commands

struct HTTPSKeeperTests {
    @Test func `the certificate of https is renewed while the server runs`() async throws {
        let folder = try Folder()
        let time = ManualTime()
        let keeper = try HTTPSKeeper(folder: folder.path, names: ["lab.example"], time: time, logger: Logger(label: "test"))
        func kept() throws -> String { try String(contentsOfFile: folder.path + "/server.crt", encoding: .utf8) }
        let first = try kept()
        let running = Task { try await keeper.run() }
        for (days, isNew) in [(100, false), (200, true)] as [(Int64, Bool)] {
            await time.sleepers(atLeast: 1)
            time.advance(by: .seconds(days * 86_400))
            await time.sleepers(atLeast: 1)
            #expect(try (kept() != first) == isNew, "day \(days)")
        }
        running.cancel()
        try await running.value
    }
}
