import Foundation
import Testing

/// A real etcd of the PATH on loopback, with a data directory of its own; both go with it.
final class EtcdProcess: Sendable {
    let endpoint: String
    private let directory: String
    private let pid: pid_t

    /// Debian's package is etcd-server; hack/setup unpacks it.
    static let path = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":").map { "\($0)/etcd" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    static func start() throws -> EtcdProcess { try EtcdProcess(#require(path)) }

    private init(_ path: String) throws {
        directory = NSTemporaryDirectory() + "etcd-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let ports = Self.freePorts(2)
        endpoint = "http://127.0.0.1:\(ports[0])"
        let peer = "http://127.0.0.1:\(ports[1])"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = [
            "--name", "one", "--data-dir", directory + "/data", "--listen-client-urls", endpoint, "--advertise-client-urls", endpoint,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one=\(peer)", "--log-level", "error",
            "--unsafe-no-fsync",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        pid = process.processIdentifier
    }

    /// As a crash would.
    deinit {
        kill(pid, SIGKILL)
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// etcd cannot take port 0: what the system gives away now is most likely free a moment later.
    private static func freePorts(_ count: Int) -> [Int] {
        var ports: [Int] = []
        var descriptors: [Int32] = []
        for _ in 0..<count {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            descriptors.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = bind(descriptor, $0, length)
                    _ = getsockname(descriptor, $0, &length)
                }
            }
            ports.append(Int(UInt16(bigEndian: address.sin_port)))
        }
        for descriptor in descriptors { close(descriptor) }
        return ports
    }
}
