import Foundation
import Host
import Probe

/// `/var/lib/first-boot-automation`: the state of each service's first boot, and the markers of those that are over.
struct FirstBootFolder: Sendable {
    var path: String

    /// Makes it when it is missing.
    /// - Throws: `Failure` naming the directory.
    func prepare() throws {
        if FileManager.default.fileExists(atPath: path) { return }
        do {
            try SystemDisk().makeDirectory(path)
            // Whoever comes to see how far it is may be another user.
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        } catch {
            throw Failure("the directory \(path) cannot be made: \(error)")
        }
    }

    func has(_ marker: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(marker)") }

    func mark(_ marker: String, _ text: String) throws { try write(marker, Array((text + "\n").utf8)) }

    /// What was noted before; nil: nothing, or nothing that can be read.
    func state(of service: String) -> FirstBootState? {
        FileManager.default.contents(atPath: "\(path)/\(service).json").flatMap { try? FirstBootState(Array($0)) }
    }

    func write(_ state: FirstBootState) throws { try write("\(state.service).json", try state.encoded()) }

    /// Whole or not at all, also when the power fails.
    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let disk = SystemDisk()
        let draft = "\(path)/.\(name).new"
        do throws(DiskError) {
            let file = try disk.open(draft, .create)
            try file.truncate(to: 0)
            try file.write(bytes, at: 0)
            try file.sync()
            try disk.rename(draft, to: "\(path)/\(name)")
            try disk.syncDirectory(path)
        } catch {
            throw Failure("\(path)/\(name) cannot be written: \(error)")
        }
    }
}
