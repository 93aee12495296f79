import Foundation
import GRPC
import NIOCore
import NIOPosix

/// The PATH's etcd (Debian's, as hack/setup unpacks it) as a process of its own, ended with the value.
final class RealEtcd {
    static let program = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":").map { "\($0)/etcd" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    let port: Int
    private let directory: TemporaryDirectory
    private let process = Process()

    init() async throws {
        directory = try TemporaryDirectory()
        port = try await Self.freePort()
        let client = "http://127.0.0.1:\(port)"
        let peer = "http://127.0.0.1:\(try await Self.freePort())"
        process.executableURL = URL(fileURLWithPath: Self.program ?? "etcd")
        process.arguments = [
            "--name", "real", "--data-dir", directory.path + "/data", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "real=\(peer)", "--logger", "zap",
            "--log-level", "error",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let probe = HTTPProbe(port: port)
        for _ in 0..<200 {
            // A process that starts says by its port when it is there; nothing else tells.
            if let health = try? await probe.get("/health"), health.status == 200 { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw GRPCStatus(.unavailable, "etcd did not start within ten seconds")
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    private static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 0
        try await channel.close()
        return port
    }
}
