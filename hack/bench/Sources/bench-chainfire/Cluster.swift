import Foundation

enum Product: String, CaseIterable, Codable { case etcd, chainfire }

/// One server process.
final class Member {
    let name: String
    let directory: String
    let client: Int
    let peer: Int
    private(set) var process: Process?

    init(_ name: String, _ directory: String) throws {
        self.name = name
        self.directory = directory
        (client, peer) = (try freePort(), try freePort())
    }

    var endpoint: String { "http://127.0.0.1:\(client)" }
    var peerURL: String { "http://127.0.0.1:\(peer)" }
    var pid: Int32 { process?.processIdentifier ?? 0 }

    func start(_ path: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let log = directory + ".log"
        if !FileManager.default.fileExists(atPath: log) { try Data().write(to: URL(fileURLWithPath: log)) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        try file.seekToEnd()
        process.standardOutput = file
        process.standardError = file
        process.standardInput = FileHandle.nullDevice
        try process.run()
        self.process = process
    }

    func signal(_ number: Int32) { if pid > 0 { kill(pid, number) } }

    func end() {
        guard let process else { return }
        kill(process.processIdentifier, SIGCONT)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    /// Resident memory in MB (10^6 bytes).
    var residentMB: Double {
        guard let text = FileManager.default.contents(atPath: "/proc/\(pid)/status").map({ String(decoding: $0, as: UTF8.self) }),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Double($0) })
        else { return 0 }
        return kibibytes * 1024 / 1e6
    }

    /// Processor time it has used, in seconds.
    var processorSeconds: Double {
        guard let text = FileManager.default.contents(atPath: "/proc/\(pid)/stat").map({ String(decoding: $0, as: UTF8.self) }),
            let rest = text.split(separator: ")").last?.split(separator: " "), rest.count > 12,
            let user = Double(rest[11]), let system = Double(rest[12])
        else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// One or three servers of one product on loopback.
final class Cluster {
    let product: Product
    let members: [Member]
    private let programs: Programs

    init(_ product: Product, size: Int, in folder: String, _ programs: Programs) throws {
        self.product = product
        self.programs = programs
        members = try (1...size).map { number in
            let directory = folder + "/\(product.rawValue)-\(size)-\(number)"
            for path in [directory, directory + ".log", directory + ".yaml"] where FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
            return try Member("n\(number)", directory)
        }
    }

    deinit { end() }

    func start() throws { for member in members { try start(member) } }

    func start(_ member: Member) throws {
        let peers = members.map { "\($0.name)=\($0.peerURL)" }
        switch product {
        case .etcd:
            try member.start(programs.etcd, [
                "--name", member.name, "--data-dir", member.directory, "--listen-client-urls", member.endpoint,
                "--advertise-client-urls", member.endpoint, "--listen-peer-urls", member.peerURL,
                "--initial-advertise-peer-urls", member.peerURL, "--initial-cluster", peers.joined(separator: ","),
                "--initial-cluster-state", "new", "--log-level", "error", "--quota-backend-bytes", "8589934592",
                "--auto-compaction-mode", "revision", "--auto-compaction-retention", "10000",
            ])
        case .chainfire:
            let file = member.directory + ".yaml"
            let text = """
                node_id: \(member.name)
                data_dir: \(member.directory)
                bootstrap: true
                initial_peers:
                \(peers.map { "  - \($0)" }.joined(separator: "\n"))
                listen_client: 127.0.0.1:\(member.client)
                listen_peer: 127.0.0.1:\(member.peer)
                quota_bytes: 8589934592

                """
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            try member.start(programs.plasma, ["chainfire", "serve", "--config", file])
        }
    }

    func end() { for member in members { member.end() } }

    /// Returns when its servers take less than a twenty-fifth of a processor each for half a second, or after twenty seconds: what goes on after a
    /// load, such as a compaction, is nobody else's.
    func rest() async throws {
        for _ in 0..<40 {
            let before = processorSeconds
            try await Task.sleep(for: .milliseconds(500))
            if processorSeconds - before < 0.02 * Double(members.count) { return }
        }
        say("\(product.rawValue) does not come to rest")
    }

    var processorSeconds: Double { members.reduce(0) { $0 + $1.processorSeconds } }
}

struct Programs {
    var etcd: String
    var plasma: String

    func path(_ product: Product) -> String { product == .etcd ? etcd : plasma }
}

/// A port of loopback that was free a moment ago.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0 }
    }
    guard bound else { throw BenchFailure("no free port: \(String(cString: strerror(errno)))") }
    return Int(UInt16(bigEndian: address.sin_port))
}

struct BenchFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
