import Foundation
import Host
import Logging
import Synchronization

/// The leases of one network, in a file: a server that comes after this one, in this process or another, gives each machine the address that it has,
/// and to nobody else.
final class LeaseBook: Sendable {
    private struct Content: Codable {
        struct Entry: Codable {
            var mac: String
            var address: String
            var ends: Date
        }

        var version = LeaseBook.version
        var leases: [Entry]
    }

    private struct State {
        /// nil: it was not read yet.
        var leases: [HardwareAddress: DHCPServer.Lease]?
        var isWritten = true
        var isWriting = false
    }

    private static let version = 1

    private let path: String?
    private let time: any Time
    private let logger: Logger
    private let disk = SystemDisk()
    private let state = Mutex(State())

    /// - Parameter path: of a JSON file in a directory of the books' own; nil: none outlives this process.
    init(_ path: String?, time: any Time, logger: Logger) {
        self.path = path
        self.time = time
        self.logger = logger
    }

    /// Blocks the first time.
    var leases: [HardwareAddress: DHCPServer.Lease] {
        state.withLock { state in
            let leases = state.leases ?? read()
            state.leases = leases
            return leases
        }
    }

    /// Writes them soon; of those that come meanwhile, the last.
    func keep(_ leases: [HardwareAddress: DHCPServer.Lease]) {
        let isFirst = state.withLock { state in
            state.leases = leases
            state.isWritten = false
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard isFirst, let path else { return }
        BackgroundThread.run("dhcp leases", yields: false) { while let leases = self.next() { self.write(leases, path) } }
    }

    private func next() -> [HardwareAddress: DHCPServer.Lease]? {
        state.withLock { state in
            defer { state.isWritten = true }
            state.isWriting = !state.isWritten
            return state.isWritten ? nil : state.leases
        }
    }

    private func read() -> [HardwareAddress: DHCPServer.Lease] {
        guard let path else { return [:] }
        let now = time.now(), date = time.date()
        do {
            let file = try disk.open(path, .read)
            let decoder = JSONDecoder()
            decoder.dateDecodingStrategy = .iso8601
            let content = try decoder.decode(Content.self, fromOutside: try file.read(at: 0, count: Int(file.size())))
            guard content.version == Self.version else { throw Unknown(version: content.version) }
            return Dictionary(
                content.leases.compactMap { entry in
                    guard let mac = HardwareAddress(entry.mac), let address = Address4(entry.address) else { return nil }
                    return (mac, DHCPServer.Lease(address: address, ends: now + .seconds(entry.ends.timeIntervalSince(date)), isGiven: true))
                }, uniquingKeysWith: { $1 })
        } catch DiskError.missing {
            return [:]
        } catch {
            logger.warning("the leases given before are not known, and begun anew: \(error)", metadata: ["path": "\(path)"])
            return [:]
        }
    }

    private struct Unknown: Error, CustomStringConvertible {
        var version: Int
        var description: String { "they are of version \(version), of another plasma" }
    }

    private func write(_ leases: [HardwareAddress: DHCPServer.Lease], _ path: String) {
        let now = time.now(), date = time.date()
        let entries = leases.sorted { $0.key < $1.key }.map { mac, lease in
            Content.Entry(mac: mac.description, address: lease.address.description, ends: date + (lease.ends - now) / .seconds(1))
        }
        do {
            let encoder = JSONEncoder()
            encoder.dateEncodingStrategy = .iso8601
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            let directory = String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex))
            try disk.makeDirectory(directory)
            let file = try disk.open(path + ".new", .create)
            try file.truncate(to: 0)
            try file.write(Array(encoder.encode(Content(leases: entries))), at: 0)
            try file.sync()
            try disk.rename(path + ".new", to: path)
            try disk.syncDirectory(directory)
        } catch {
            logger.warning("leases are not kept: \(error)")
        }
    }
}
