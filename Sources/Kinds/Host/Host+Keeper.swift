import Foundation
import QEMU
import Reconcile
import Resource
import Synchronization

import protocol Host.Processes
import protocol Host.Time

extension Host {
    /// Looks at this machine, and keeps what a probe found in a file: a probe costs seconds and its
    /// answer holds until the kernel or QEMU changes.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        /// What a probe's answer is good for.
        private struct Kept: Codable {
            var kernelRelease: String
            var qemuVersion: String
            var found: Sight.Probed
        }

        private let here: String
        private let directory: String
        private let processes: any Processes
        private let time: any Time
        private let version = Version()

        private final class Version: Sendable {
            let known = Mutex<String?>(nil)
        }

        /// - Parameter directory: where the probe's answer is kept; made when absent.
        package init(here: String, directory: String, processes: any Processes, time: any Time) {
            self.here = here
            self.directory = directory
            self.processes = processes
            self.time = time
        }

        package func observe(_ goal: Goal<Host>, _ reader: Reader) async throws -> Sight {
            let version = await qemuVersion()
            return Sight(
                here: here, cpus: ProcessInfo.processInfo.activeProcessorCount, memory: ProcessInfo.processInfo.physicalMemory,
                qemuVersion: version, probe: version.flatMap { kept($0)?.found })
        }

        package func perform(_ action: Action) async throws {
            guard case .probe(let kernel) = action, let version = await qemuVersion() else { return }
            let result = await AcceleratorProbe(processes: processes, time: time).probe(kernel: kernel)
            let now = Date(timeIntervalSince1970: time.date().timeIntervalSince1970.rounded(.down))
            let found = Sight.Probed(accelerator: result.accelerator.rawValue, reason: result.reason, at: now)
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let bytes = try Wire.encode(Kept(kernelRelease: kernelRelease, qemuVersion: version, found: found))
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        }

        private var path: String { directory + "/accelerator.json" }

        private func kept(_ version: String) -> Kept? {
            guard let data = FileManager.default.contents(atPath: path), let kept = try? Wire.decode(Kept.self, from: Array(data)) else {
                return nil
            }
            return kept.kernelRelease == kernelRelease && kept.qemuVersion == version ? kept : nil
        }

        private var kernelRelease: String {
            let data = FileManager.default.contents(atPath: "/proc/sys/kernel/osrelease") ?? Data()
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }

        /// Asked of QEMU once; an answer of "not installed" is asked again.
        private func qemuVersion() async -> String? {
            if let known = version.known.withLock({ $0 }) { return known }
            let found = try? await QEMU.qemuVersion(processes: processes)
            version.known.withLock { $0 = found }
            return found
        }
    }
}
