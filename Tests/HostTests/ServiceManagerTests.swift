import Foundation
import Glibc
import Testing

@testable import Host

@Suite struct `The service manager` {
    @Test func `is told nothing where there is none, or its socket makes no sense`() {
        for socket in [nil, "", "relative/path", "/" + String(repeating: "x", count: 200), "/nowhere/at/all", "@"] {
            #expect(!ServiceManager(environment: socket.map { ["NOTIFY_SOCKET": $0] } ?? [:]).tell(.ready), "\(socket ?? "none")")
        }
    }

    @Test(arguments: [false, true]) func `hears in one message what it is told`(isAbstract: Bool) throws {
        let name = "plasma-\(UUID().uuidString)"
        let path = isAbstract ? "@" + name : FileManager.default.temporaryDirectory.path + "/" + name
        defer { unlink(path) }
        let listening = try listen(path)
        defer { close(listening) }
        #expect(ServiceManager(environment: ["NOTIFY_SOCKET": path]).tell(.ready, .status("serves\nclients")))
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = recv(listening, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        #expect(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self) == "READY=1\nSTATUS=serves clients")
    }

    private func listen(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(2 + name.count)) }
        }
        try #require(bound == 0)
        return descriptor
    }
}
