import Foundation
import Host

/// Whether this host's KVM truly runs a guest, or TCG must do.
package struct ProbeResult: Hashable, Codable, Sendable {
    package var accelerator: MachineDefinition.Accelerator
    /// One sentence: why this one.
    package var reason: String
    /// What was looked at and seen, in order.
    package var evidence: [String]
    package var seconds: Double

    package init(accelerator: MachineDefinition.Accelerator, reason: String, evidence: [String], seconds: Double) {
        self.accelerator = accelerator
        self.reason = reason
        self.evidence = evidence
        self.seconds = seconds
    }
}

/// Boots a tiny guest and waits for its marker, after looking at cheap signs that it cannot work. `/dev/kvm`
/// alone proves nothing: guests hang on hosts with paravirtual nested KVM.
package struct AcceleratorProbe: Sendable {
    let processes: any Processes
    let time: any Time
    let program: String
    /// For one boot.
    let limit: Duration

    package init(
        processes: any Processes, time: any Time, program: String = "qemu-system-x86_64", limit: Duration = .seconds(20)
    ) {
        self.processes = processes
        self.time = time
        self.program = program
        self.limit = limit
    }
}
