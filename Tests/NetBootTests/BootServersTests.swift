import Crypto
import Foundation
import Host
import Logging
import NIOCore
import Testing

@testable import NetBoot

/// The real servers on loopback, on ports that the system chooses.
@Suite struct BootServersTests {
    private final class Scene {
        let directory = FileManager.default.temporaryDirectory.appending(path: "plasma-netboot-\(UUID().uuidString)")
        let servers: BootServers
        var service: BootService

        init(kernel: [UInt8] = Array("a kernel".utf8), initrd: [UInt8] = Array("a disk".utf8)) throws {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data((0..<2000).map { UInt8(truncatingIfNeeded: $0) }).write(to: directory.appending(path: "ipxe.efi"))
            servers = BootServers(loaders: Loaders(in: [directory.path]), time: SystemTime(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            service = NetBootTests.service {
                $0.interface = "lo"
                $0.server = address("127.0.0.1")
                $0.ports.dhcp = 0
                $0.ports.tftp = 0
                $0.ports.http = 0
            }
            service.kernel = try Self.file("kernel", kernel, in: directory)
            service.initrd = try Self.file("initrd", initrd, in: directory)
            service.authorizedKeys = ["ssh-ed25519 AAAA plasma"]
        }

        private static func file(_ name: String, _ bytes: [UInt8], in directory: URL) throws -> PinnedFile {
            let file = directory.appending(path: name)
            try Data(bytes).write(to: file)
            return PinnedFile(path: file.path, digest: SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined())
        }

        /// Ports of TFTP and HTTP.
        func start() async throws -> (tftp: Int, http: Int) {
            try await servers.apply(service)
            let segment = try #require(servers.segment("lan"))
            return (try #require(segment.port(1)), try #require(segment.port(2)))
        }

        deinit { try? FileManager.default.removeItem(at: directory) }
    }

    private static func path(_ artefact: PinnedFile?, _ part: String) -> String { "/artifacts/\(artefact?.digest ?? "")/\(part)" }

    @Test func `a kernel is served whole, in part, or by its head alone`() async throws {
        let scene = try Scene()
        let port = try await scene.start().http
        let path = Self.path(scene.service.kernel, "kernel")
        let whole = try await LoopbackClient.http(port, "GET", path)
        #expect((whole.status, whole.text) == (200, "a kernel"))
        #expect(whole.headers["content-length"] == "8")
        #expect(whole.headers["etag"] == "\"\(scene.service.kernel?.digest ?? "")\"")
        let part = try await LoopbackClient.http(port, "GET", path, ["Range: bytes=2-"])
        #expect((part.status, part.text, part.headers["content-range"]) == (206, "kernel", "bytes 2-7/8"))
        let beyond = try await LoopbackClient.http(port, "GET", path, ["Range: bytes=8-"])
        #expect(beyond.status == 416)
        let head = try await LoopbackClient.http(port, "HEAD", path)
        #expect((head.status, head.body, head.headers["content-length"]) == (200, [], "8"))
        let headOfPart = try await LoopbackClient.http(port, "HEAD", path, ["Range: bytes=2-"])
        #expect((headOfPart.status, headOfPart.headers["content-length"]) == (200, "8"), "RFC 9110, 14.2: a range is GET's alone")
        let other = try await LoopbackClient.http(port, "GET", Self.path(scene.service.initrd, "kernel"))
        #expect(other.status == 404, "that digest is another file's")
        await scene.servers.stop("lan")
    }

    @Test func `a file that was changed is refused, and served again once it is right`() async throws {
        let scene = try Scene()
        let port = try await scene.start().http
        let kernel = try #require(scene.service.kernel)
        let path = Self.path(kernel, "kernel")
        let before = try await LoopbackClient.http(port, "GET", path)
        #expect(before.status == 200)
        try Data("b kernel".utf8).write(to: URL(filePath: kernel.path))
        let changed = try await LoopbackClient.http(port, "GET", path)
        #expect(changed.status == 503)
        let seen = await scene.servers.artefacts.examine(kernel)
        #expect(seen == .differs(actual: SHA256.hash(data: Data("b kernel".utf8)).map { String(format: "%02x", $0) }.joined()))
        try Data("a kernel".utf8).write(to: URL(filePath: kernel.path))
        let after = try await LoopbackClient.http(port, "GET", path)
        #expect(after.status == 200)
        try FileManager.default.removeItem(atPath: kernel.path)
        let gone = try await LoopbackClient.http(port, "GET", path)
        #expect(gone.status == 503)
        let missing = await scene.servers.artefacts.examine(kernel)
        #expect(missing == .unreadable("\(kernel.path): No such file or directory"))
        await scene.servers.stop("lan")
    }

    @Test func `a file that changes while it is sent is not sent to its end`() async throws {
        let size = 48 << 20
        let scene = try Scene(kernel: [UInt8](repeating: 7, count: size))
        let port = try await scene.start().http
        let kernel = try #require(scene.service.kernel)
        let request = "GET \(Self.path(kernel, "kernel")) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        let bytes = try await LoopbackClient.exchange(port, request) {
            let file = try FileHandle(forWritingTo: URL(filePath: kernel.path))
            try file.seek(toOffset: UInt64(size) - 1)
            try file.write(contentsOf: [8])
            try file.close()
        }
        let answer = LoopbackClient.parse(bytes)
        #expect(answer.status == 200)
        #expect(answer.headers["content-length"] == String(size))
        #expect(answer.body.count < size)
        #expect(answer.body.allSatisfy { $0 == 7 })
        await scene.servers.stop("lan")
    }

    @Test func `a boot loader comes by TFTP, and nothing else does`() async throws {
        let scene = try Scene()
        let port = try await scene.start().tftp
        let wanted = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
        for name in ["ipxe.efi", "/ipxe.efi", "52-54-00-00-01-01/ipxe.efi"] {
            let content = try await LoopbackClient.tftp(port, name)
            #expect(content == wanted, "\(name)")
        }
        for name in ["undionly.kpxe", "../ipxe.efi", "kernel", "/etc/passwd", ""] {
            await #expect(throws: LoopbackClient.Refused(code: 1), "\(name)") { try await LoopbackClient.tftp(port, name) }
        }
        #expect(scene.servers.missingLoaders.names == ["undionly.kpxe"])
        let machine = try #require(scene.servers.observe("lan")?.machines.first)
        #expect(machine.timeline.last == .tftp)
        await scene.servers.stop("lan")
    }

    @Test func `a boot loader that is pinned is served in place of the host's, only with its digest, and never another instead`() async throws {
        let scene = try Scene()
        let own = scene.directory.appending(path: "own"), bytes = Array("an own loader".utf8)
        try Data(bytes).write(to: own)
        let digest = SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
        scene.service.loaders[Loaders.uefi] = .pinned(PinnedFile(path: own.path, digest: digest))
        let ports = try await scene.start()
        let content = try await LoopbackClient.tftp(ports.tftp, "ipxe.efi")
        #expect(content == bytes)
        // Another one is wanted, which is not there: what is served goes on, and the next attempt reads it anew.
        let news = scene.servers.wakes()
        try Data("another loader".utf8).write(to: own)
        let before = scene.service
        scene.service.loaders[Loaders.uefi] = .pinned(PinnedFile(path: own.path, digest: String(repeating: "0", count: 64)))
        await #expect(throws: BootError.self) { try await scene.servers.apply(scene.service) }
        #expect(scene.servers.observe("lan")?.service == before)
        let old = try await LoopbackClient.tftp(ports.tftp, "ipxe.efi")
        #expect(old == bytes)
        // It is withheld: the host's, which is there, is not given instead.
        scene.service.loaders[Loaders.uefi] = .withheld
        try await scene.servers.apply(scene.service)
        await #expect(throws: LoopbackClient.Refused(code: 1)) { try await LoopbackClient.tftp(ports.tftp, "ipxe.efi") }
        let http = try await LoopbackClient.http(ports.http, "GET", "/loaders/ipxe.efi")
        #expect(http.status == 404)
        // Whoever keeps it is told to look.
        var told = news.makeAsyncIterator()
        #expect(await told.next() == scene.service.name)
        scene.service.loaders = [:]
        try await scene.servers.apply(scene.service)
        let host = try await LoopbackClient.tftp(ports.tftp, "ipxe.efi")
        #expect(host.count == 2000)
        await scene.servers.stop("lan")
    }

    @Test func `a boot is followed from its script to the installer`() async throws {
        let scene = try Scene()
        let port = try await scene.start().http
        var news = scene.servers.wakes().makeAsyncIterator()
        let script = try await LoopbackClient.http(port, "GET", "/boot.ipxe?mac=52-54-00-00-01-01")
        #expect(script.text.contains("plasma.hostname=node01"))
        let told = await news.next()
        #expect(told == "installer")
        for part in ["kernel", "initrd"] {
            let artefact = part == "kernel" ? scene.service.kernel : scene.service.initrd
            let answer = try await LoopbackClient.http(port, "GET", Self.path(artefact, part) + "?mac=52-54-00-00-01-01")
            #expect(answer.status == 200)
        }
        let keys = try await LoopbackClient.http(port, "GET", "/authorized_keys")
        #expect(keys.text == "ssh-ed25519 AAAA plasma\n")
        let unknown = try await LoopbackClient.http(port, "POST", "/progress?mac=52:54:00:00:09:09&phase=installer")
        #expect(unknown.status == 403)
        let said = try await LoopbackClient.http(port, "POST", "/progress?mac=52:54:00:00:01:01&phase=installer", ["Content-Length: 0"])
        #expect(said.status == 200)
        let sight = try #require(scene.servers.observe("lan"))
        #expect(sight.machines.map(\.mac) == [mac("52:54:00:00:01:01")])
        #expect(sight.machines.first.map { Set($0.timeline.phases.keys) } == [.ipxe, .kernel, .initrd, .installer])
        #expect(sight == scene.servers.observe("lan"), "a second look sees the same")
        await scene.servers.stop("lan")
        #expect(scene.servers.observe("lan") == nil)
    }

    @Test func `many machines are served at once`() async throws {
        let kernel = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 >> 8) }
        let scene = try Scene(kernel: kernel)
        let port = try await scene.start().http
        let path = Self.path(scene.service.kernel, "kernel")
        let whole = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<150 { group.addTask { try await LoopbackClient.http(port, "GET", path).body == kernel } }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(whole == 150)
        await scene.servers.stop("lan")
    }

    @Test func `what is only said otherwise is exchanged under way; what is listened on is not taken twice`() async throws {
        let scene = try Scene()
        let port = try await scene.start().http
        scene.service.authorizedKeys = ["another"]
        let service = scene.service
        try await scene.servers.apply(service)
        let keys = try await LoopbackClient.http(port, "GET", "/authorized_keys")
        #expect(keys.text == "another\n")
        var second = service
        second.network = "other"
        second.ports.http = port
        let taken = BootError.taken(port: port, interface: "lo")
        let other = second
        await #expect(throws: taken) { try await scene.servers.apply(other) }
        #expect(scene.servers.observe("other") == nil)
        await scene.servers.stop("lan")
    }

    @Test func `a request that makes no sense is told so`() async throws {
        let scene = try Scene()
        let port = try await scene.start().http
        for (method, target, status) in [("GET", "/", 404), ("PUT", "/boot.ipxe", 405), ("GET", "/progress?mac=x", 400), ("GET", "/../../etc/passwd", 404)] {
            let answer = try await LoopbackClient.http(port, method, target)
            #expect(answer.status == status, "\(method) \(target)")
        }
        await scene.servers.stop("lan")
    }
}
