import Foundation
import Manifest
import Resource

/// A machine that runs virtual machines.
package enum Host: Kind {
    package static let name = "Host"
    package static let plural = "hosts"
    package static let summary = "A hypervisor host: its accelerator, found by booting, and what it can carry."
    package static let columns = [
        Column("ACCEL", "status.accelerator"), Column("CPUS", "status.cpus"), Column("MEMORY", "status.memory"),
        Column("QEMU", "status.qemuVersion", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// nil: the machine that plasma runs on.
        var address: String?
        var accelerator: Accelerator
        /// The kernel that the probe boots.
        var probeKernel: FilePathText?
    }

    package enum Accelerator: String, Codable, Hashable, Sendable, CaseIterable { case auto, kvm, tcg }

    package struct Status: Codable, Hashable, Sendable {
        /// "kvm" or "tcg".
        var accelerator: String?
        /// Why that one.
        var acceleratorReason: String?
        var cpus: Int?
        var memory: ByteCount?
        var qemuVersion: String?
        var probedAt: Date?

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        Spec(
            address: fields.optional("address", "Host name or address; the machine that plasma runs on when absent."),
            accelerator: fields.choice(
                "accelerator", default: .auto, "How guests are run. auto: KVM where a probe guest boots with it, else TCG."),
            probeKernel: fields.optional("probeKernel", "Path of the kernel that the probe boots."))
    }
}
