import Foundation
import QEMU
import Reconcile
import Resource
import Synchronization

import protocol Host.Processes
import protocol Host.Time

extension Host {
    /// Looks at this machine, and keeps what a probe found in a file: a probe costs seconds and its
    /// answer holds until the kernel, QEMU or what spoke against KVM changes.
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        /// What a probe's answer is good for.
        private struct Kept: Codable {
            var kernelRelease: String
            var qemuVersion: String
            var found: Sight.Probed
            /// What spoke against KVM then; empty: nothing did. Nil: an earlier version kept it, and did not say.
            var refusal: String?
        }

        /// Answers that rest on a timeout are good for this process's life, by the file that others are kept in: diffs and footings look through
        /// keepers of their own, and must see the same.
        private static let passing = Mutex<[String: Kept]>([:])

        private let here: String
        private let directory: String
        private let processes: any Processes
        private let time: any Time
        private let refusal: @Sendable () -> String?
        private let version = Version()

        private final class Version: Sendable {
            let known = Mutex<String?>(nil)
        }

        /// - Parameters:
        ///   - directory: where the probe's answer is kept; made when absent.
        ///   - refusal: what speaks against KVM now.
        package init(
            here: String, directory: String, processes: any Processes, time: any Time,
            refusal: @escaping @Sendable () -> String? = { AcceleratorProbe.refusalNow() }
        ) {
            self.here = here
            self.directory = directory
            self.processes = processes
            self.time = time
            self.refusal = refusal
        }

        package func observe(_ goal: Goal<Host>, _ reader: Reader) async throws -> Sight {
            let version = await qemuVersion()
            return Sight(
                here: here, cpus: ProcessInfo.processInfo.activeProcessorCount, memory: ProcessInfo.processInfo.physicalMemory,
                qemuVersion: version, probe: version.flatMap { kept($0)?.found })
        }

        package func perform(_ action: Action) async throws {
            guard case .probe(let kernel) = action, let version = await qemuVersion() else { return }
            let result = try await AcceleratorProbe(processes: processes, time: time, refusal: refusal).probe(kernel: kernel)
            let now = Date(timeIntervalSince1970: time.date().timeIntervalSince1970.rounded(.down))
            let reason = result.reason + (result.restsOnTimeout ? "; asked again when the server is started again" : "")
            let found = Sight.Probed(accelerator: result.accelerator.rawValue, reason: reason, at: now)
            let kept = Kept(kernelRelease: kernelRelease, qemuVersion: version, found: found, refusal: result.refusal ?? "")
            Self.passing.withLock { $0[path] = result.restsOnTimeout ? kept : nil }
            if result.restsOnTimeout { return }
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(try Wire.encode(kept)).write(to: URL(filePath: path), options: .atomic)
        }

        private var path: String { directory + "/accelerator.json" }

        private func kept(_ version: String) -> Kept? {
            if let passing = Self.passing.withLock({ $0[path] }), holds(passing, version) { return passing }
            guard let data = FileManager.default.contents(atPath: path), let kept = try? Wire.decode(Kept.self, from: Array(data)) else {
                return nil
            }
            return holds(kept, version) ? kept : nil
        }

        /// That KVM does not work holds only while the same speaks against it as then.
        private func holds(_ kept: Kept, _ version: String) -> Bool {
            guard kept.kernelRelease == kernelRelease, kept.qemuVersion == version else { return false }
            return kept.found.accelerator != MachineDefinition.Accelerator.tcg.rawValue || kept.refusal == refusal() ?? ""
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
