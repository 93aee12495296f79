import Crypto
import Foundation
import Glibc
import Host
import Logging
import Simulation
import Testing

@testable import NetBoot

/// What can be sent to the boot server's port, many times over.
@Suite struct HTTPFuzzTests {
    private static let digest = BootPathTests.digest
    private static let pieces = [
        "/", "/", "..", ".", "boot.ipxe", "artifacts", digest, digest.uppercased(), "kernel", "initrd", "loaders", "ipxe.efi", "undionly.kpxe",
        "authorized_keys", "progress", "?", "&", "mac=", "52:54:00:00:01:01", "52-54-00-00-01-01", "52%3A54%3a00%3A00%3A01%3A01", "phase=installer",
        "phase=kernel", "%2e%2e", "%2f", "%00", "etc", "passwd", "\\", "%", "#", "=", "é", "http://192.168.100.1:8080", "secret", "*",
    ]
    private static let right = [
        "/boot.ipxe", "/boot.ipxe?mac=52-54-00-00-01-01", "/artifacts/\(digest)/kernel", "/artifacts/\(digest)/initrd?mac=52:54:00:00:01:01",
        "/loaders/ipxe.efi", "/authorized_keys", "/progress?mac=52:54:00:00:01:01&phase=installer",
    ]

    private static func target(_ dice: inout FuzzDice) -> String {
        switch dice.number(0...3) {
        case 0: return (0..<dice.number(0...9)).map { _ in dice.pick(pieces) }.joined(separator: dice.oneIn(2) ? "/" : "")
        case 1: return String(decoding: dice.spoiled(Array(dice.pick(right).utf8)), as: UTF8.self)
        case 2:
            let query = (0..<dice.number(0...dice.pick([2, 40]))).map { _ in "\(dice.pick(["mac", "phase", "", "x"]))=\(dice.pick(pieces))" }.joined(separator: "&")
            return dice.pick(right).prefix { $0 != "?" } + "?" + query
        default: return dice.pick(right)
        }
    }

    @Test func `no request leads out of the files that are served`() {
        var dice = FuzzDice(3)
        let count = FuzzDice.count(300_000)
        var found = 0
        for number in 0..<count {
            let target = Self.target(&dice)
            let method = dice.pick(["GET", "GET", "GET", "HEAD", "POST", "PUT", "get", "", "X"])
            switch BootPath.read(method, target) {
            case .success(.loader(let name)): #expect(Loaders.names.contains(name), "input \(number): \(target)")
            case .success(.artefact(let digest, _, _)): #expect(digest.utf8.count == 64 && digest.allSatisfy(\.isHexDigit), "input \(number): \(target)")
            case .success(.progress(_, let phase)): #expect(phase == .installer, "input \(number): \(target)")
            case .success: break
            case .failure: continue
            }
            found += 1
            let path = target.lowercased().hasPrefix("http://") ? target.dropFirst(7).drop { $0 != "/" } : target[...]
            #expect(!path.contains("..") || path.contains("?"), "input \(number): \(target) was understood")
        }
        #expect(found > count / 20, "too few requests were right: \(found)")
    }

    @Test func `ranges stay within the file`() {
        var dice = FuzzDice(4)
        let count = FuzzDice.count(100_000)
        var parts = 0
        for number in 0..<count {
            let size = dice.number(0...5) * dice.number(0...1000)
            var header = "bytes=" + dice.numberText() + "-" + dice.numberText()
            if dice.oneIn(4) { header = String(decoding: dice.spoiled(Array(header.utf8)), as: UTF8.self) }
            if dice.oneIn(4) { header = "bytes=\(dice.number(0...2000))-\(dice.number(0...2000))" }
            guard case .part(let range) = ByteRange(header, of: size) else { continue }
            parts += 1
            #expect(range.lowerBound >= 0 && range.upperBound <= size && !range.isEmpty, "input \(number): \(header) of \(size)")
        }
        #expect(parts > count / 50, "too few were ranges: \(parts)")
    }

    /// The whole server over loopback. A secret lies beside each file that is served.
    @Test func `whatever comes over a connection, nothing comes back but what is served`() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "plasma-http-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        func file(_ name: String, _ text: String) throws -> PinnedFile {
            let file = directory.appending(path: name)
            try Data(text.utf8).write(to: file)
            return PinnedFile(path: file.path, digest: SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined())
        }
        for name in ["secret", "kernel.secret"] { _ = try file(name, "not for you") }
        _ = try file("ipxe.efi", "a loader")
        let servers = BootServers(loaders: Loaders(in: [directory.path]), time: SystemTime(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var service = NetBootTests.service {
            ($0.interface, $0.server) = ("lo", address("127.0.0.1"))
            ($0.ports.dhcp, $0.ports.tftp, $0.ports.http) = (0, 0, 0)
        }
        (service.kernel, service.initrd) = (try file("kernel", "a kernel"), try file("initrd", "a disk"))
        service.authorizedKeys = ["ssh-ed25519 AAAA plasma"]
        try await servers.apply(service)
        let port = try #require(servers.segment("lan")?.port(2))
        var dice = FuzzDice(8)
        let count = FuzzDice.count(10_000), each = 50
        var answers = 0
        for connection in 0..<max(1, count / each) {
            var requests: [UInt8] = []
            for _ in 0..<each { requests += Self.request(&dice, service) }
            let answer = try #require(Self.exchange(port, requests + Array("GET /authorized_keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)))
            let text = String(decoding: answer, as: UTF8.self)
            answers += text.components(separatedBy: "HTTP/1.1 200").count - 1
            #expect(!text.contains("not for you"), "connection \(connection)")
            // A head and the longest thing that is served, for each.
            #expect(answer.count <= (each + 1) * 1024, "connection \(connection): \(answer.count) bytes came back")
        }
        #expect(answers > count / 10, "too few requests were answered: \(answers)")
        await servers.stop("lan")
    }

    private static func request(_ dice: inout FuzzDice, _ service: BootService) -> [UInt8] {
        let digests = [service.kernel?.digest ?? "", service.initrd?.digest ?? "", digest]
        var path = target(&dice).replacing(digest, with: dice.pick(digests))
        // Spaces and line ends make other requests of it; some of these are wanted.
        if !dice.oneIn(20) { path = String(path.unicodeScalars.filter { $0.value > 0x20 && $0.value < 0x7F }) }
        // What does not begin so ends the connection, and with it all that follows.
        if !path.hasPrefix("/"), !dice.oneIn(50) { path = "/" + path }
        let version = dice.oneIn(100) ? dice.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]) : "HTTP/1.1"
        var lines = ["\(dice.pick(["GET", "GET", "GET", "HEAD", "POST"])) \(path) \(version)", "Host: x"]
        if dice.oneIn(4) { lines.append("Range: bytes=\(dice.numberText())-\(dice.numberText())") }
        if dice.oneIn(20) { lines.append("\(dice.pick(["Range", "Expect", "Upgrade", "TE", "X"])): \(dice.pick(["", "bytes=0-", "100-continue", "h2c", "trailers", String(repeating: "a", count: 900)]))") }
        if dice.oneIn(100) { lines.append(dice.pick(["Transfer-Encoding: chunked", "Content-Length: 7", "Content-Length: -1", "Connection: close", " folded", ":"])) }
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return dice.oneIn(100) ? dice.spoiled(bytes) : bytes
    }

    /// Sends all and takes what comes until the server hangs up, or says nothing for a while.
    private static func exchange(_ port: Int, _ bytes: [UInt8]) -> [UInt8]? {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard connection >= 0 else { return nil }
        defer { close(connection) }
        var patience = timeval(tv_sec: 0, tv_usec: 200_000)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = in_port_t(port).bigEndian
        place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        guard isConnected else { return nil }
        _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var answer: [UInt8] = [], block = [UInt8](repeating: 0, count: 64 << 10)
        while case let got = recv(connection, &block, block.count, 0), got > 0 { answer += block[..<got] }
        return answer
    }
}
