import Foundation
import Host

/// What the probe boots.
enum ProbeGuest: Hashable, Sendable {
    /// Runs until it finds no root file system.
    case kernel(String)
    /// `BootSector.bytes`.
    case bootSector

    /// Seen on the serial port only after the guest truly ran. A kernel's panic alone is no sign: a broken
    /// KVM makes it panic early.
    var markers: [String] {
        switch self {
        case .kernel: ["Unable to mount root fs", "VFS: Cannot open root device"]
        case .bootSector: [BootSector.marker]
        }
    }
}

extension AcceleratorProbe {
    /// - Parameter kernel: a Linux kernel to boot; `nil`: the newest readable one under /boot, else a boot
    ///   sector of our own. Takes `limit` at most; nothing is left running.
    /// - Throws: when no guest ran, and so nothing is known.
    package func probe(kernel: String?) async throws(ProcessError) -> ProbeResult {
        let start = time.now()
        var evidence: [String] = []
        let refusal = self.refusal()
        func result(_ accelerator: MachineDefinition.Accelerator, _ reason: String, restsOnTimeout: Bool = false) -> ProbeResult {
            let taken = (time.now() - start).components
            return ProbeResult(
                accelerator: accelerator, reason: reason, evidence: evidence,
                seconds: Double(taken.seconds) + Double(taken.attoseconds) / 1e18, refusal: refusal, restsOnTimeout: restsOnTimeout)
        }
        if let refusal {
            evidence.append(refusal)
            return result(.tcg, "KVM cannot be used: \(refusal)")
        }
        evidence.append("/dev/kvm opens and the CPU has svm or vmx")
        let guest = (kernel ?? Self.findKernel()).map(ProbeGuest.kernel) ?? .bootSector
        let boot = try await boot(guest, .kvm)
        evidence.append(boot.evidence)
        if boot.worked { return result(.kvm, "a guest booted under KVM") }
        return result(.tcg, "KVM is there but a guest did not boot: \(boot.evidence)", restsOnTimeout: boot.isLate)
    }

    /// The newest readable kernel of this host, by file name as `ls` sorts it.
    static func findKernel(under directory: String = "/boot") -> String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasPrefix("vmlinuz") }
            .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
            .map { directory + "/" + $0 }
            .last { FileManager.default.isReadableFile(atPath: $0) }
    }

    /// Boots once and reads the serial port until the guest ends by itself (both reset when they are done,
    /// which `-no-reboot` makes an end) or the limit is over, when it is late.
    /// - Throws: what is no verdict of the guest.
    func boot(
        _ guest: ProbeGuest, _ accelerator: MachineDefinition.Accelerator
    ) async throws(ProcessError) -> (worked: Bool, evidence: String, isLate: Bool) {
        var arguments = [
            "-nodefaults", "-no-user-config", "-machine", "q35,graphics=off", "-m", "size=256M", "-smp", "cpus=1",
            "-display", "none", "-no-reboot", "-serial", "stdio",
        ]
        arguments += accelerator == .kvm ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi,tb-size=64", "-cpu", "Nehalem"]
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("plasma-probe-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        switch guest {
        case .kernel(let path):
            arguments += ["-kernel", path, "-append", "console=ttyS0 panic=-1"]
        case .bootSector:
            let image = directory.appendingPathComponent("boot.img")
            do {
                try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
                try Data(BootSector.bytes).write(to: image)
            } catch {
                throw .couldNotStart(program: program, reason: "the boot sector could not be written to \(image.path): \(error.localizedDescription)")
            }
            arguments += [
                "-drive", "if=none,id=boot,format=raw,readonly=on,file=\(image.path)", "-device", "virtio-blk-pci,drive=boot,bootindex=0",
            ]
        }
        let what = "\(guest) under \(accelerator)"
        do throws(ProcessError) {
            let end = try await processes.run(Program(program, arguments), limit: limit)
            if let marker = guest.markers.first(where: { end.output.contains($0) }) {
                return (true, "\(what) reached \(marker.debugDescription)", false)
            }
            return (false, "\(what) ended (\(end.end)) before its marker: \(tail(end.errorText + end.output))", false)
        } catch .tookTooLong(_, let limit, let output) {
            // It may have arrived and then not managed to reset.
            if let marker = guest.markers.first(where: { output.contains($0) }) {
                return (true, "\(what) reached \(marker.debugDescription) and did not end", true)
            }
            return (false, "\(what) did not reach its marker within \(limit): \(tail(output))", true)
        } catch {
            throw error
        }
    }

    private func tail(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).suffix(3).joined(separator: " | ")
        return lines.isEmpty ? "it wrote nothing" : String(lines.suffix(300))
    }
}
