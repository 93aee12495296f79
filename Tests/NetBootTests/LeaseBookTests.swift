import Foundation
import Host
import Logging
import Testing

@testable import NetBoot

@Suite(.timeLimit(.minutes(1))) struct LeaseBookTests {
    /// Two servers, the clock of the second begun anew.
    private struct LaterTime: Time {
        var seconds: Double
        var date0: Double
        func now() -> Instant { at(seconds) }
        func date() -> Date { Date(timeIntervalSince1970: date0 + seconds) }
        func sleep(until deadline: Instant) async throws {}
    }

    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let path = FileManager.default.temporaryDirectory.appending(path: "plasma-leases-\(UUID().uuidString)").path

    private func lease(_ text: String, ends: Double) -> DHCPServer.Lease { .init(address: address(text), ends: at(ends), isGiven: true) }

    /// Waits for the book to be written.
    private func written(_ file: String, until isRight: (Data) -> Bool) async throws {
        while !(FileManager.default.contents(atPath: file).map(isRight) ?? false) { try await Task.sleep(for: .milliseconds(2)) }
    }

    @Test func `leases outlive their server, by the calendar`() async throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = path + "/lan.json"
        let book = LeaseBook(file, time: LaterTime(seconds: 5000, date0: 1_000_000), logger: logger)
        #expect(book.leases.isEmpty)
        for number in 0..<20 { book.keep([mac("52:54:00:00:09:01"): lease("192.168.100.\(200 + number)", ends: 5600)]) }
        #expect(book.leases == [mac("52:54:00:00:09:01"): lease("192.168.100.219", ends: 5600)])
        try await written(file) { String(decoding: $0, as: UTF8.self).contains("192.168.100.219") }
        // A hundred seconds later, by another start's clock.
        let next = LeaseBook(file, time: LaterTime(seconds: 7, date0: 1_005_093), logger: logger)
        #expect(next.leases == [mac("52:54:00:00:09:01"): lease("192.168.100.219", ends: 507)])
    }

    @Test(arguments: ["", "{", #"{"version":2,"leases":[]}"#, #"{"version":1,"leases":[{"mac":"x"}]}"#, String(repeating: "[", count: 600)])
    func `a book that cannot be read is begun anew`(text: String) async throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path + "/lan.json"))
        let book = LeaseBook(path + "/lan.json", time: SystemTime(), logger: logger)
        #expect(book.leases.isEmpty)
        book.keep([mac("52:54:00:00:09:01"): lease("192.168.100.200", ends: 10)])
        try await written(path + "/lan.json") { String(decoding: $0, as: UTF8.self).contains("192.168.100.200") }
    }

    @Test func `a network's leases are known to its next boot servers`() async throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let service = service {
            ($0.interface, $0.server, $0.servesUnknown) = ("lo", address("127.0.0.1"), true)
            ($0.ports.dhcp, $0.ports.tftp, $0.ports.http) = (0, 0, 0)
            $0.pool = [address("127.0.0.9")]
        }
        func ask(_ servers: BootServers, _ kind: DHCPPacket.Kind, _ hardware: String) async throws -> DHCPServer.Reply? {
            try await servers.apply(service)
            let packet = message(kind, from: .uefi, hardware) { $0.set(DHCPPacket.Code.requestedAddress, address("127.0.0.9")) }
            return servers.segment("lan")?.receive(packet, atProxyPort: false, from: (.any, 68))
        }
        let servers = BootServers(leases: path, time: SystemTime(), logger: logger)
        #expect(try await ask(servers, .request, "52:54:00:00:09:01")?.packet.kind == .acknowledge)
        await servers.stop("lan")
        #expect(try await ask(servers, .discover, "52:54:00:00:09:02") == nil, "in the same process")
        await servers.stop("lan")
        try await written(path + "/lan.json") { _ in true }
        let next = BootServers(leases: path, time: SystemTime(), logger: logger)
        #expect(try await ask(next, .discover, "52:54:00:00:09:02") == nil, "in the next one")
        #expect(try await ask(next, .discover, "52:54:00:00:09:01") != nil)
        await next.stop("lan")
    }
}
