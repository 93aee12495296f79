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
    /// What spoke against KVM before anything was booted; nil: nothing did.
    package var refusal: String?
    /// A guest was not done in time, which on a busy host proves little.
    package var restsOnTimeout: Bool

    package init(
        accelerator: MachineDefinition.Accelerator, reason: String, evidence: [String], seconds: Double, refusal: String? = nil, restsOnTimeout: Bool = false
    ) {
        self.accelerator = accelerator
        self.reason = reason
        self.evidence = evidence
        self.seconds = seconds
        self.refusal = refusal
        self.restsOnTimeout = restsOnTimeout
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
    let refusal: @Sendable () -> String?

    /// - Parameter refusal: what speaks against KVM now.
    package init(
        processes: any Processes, time: any Time, program: String = "qemu-system-x86_64", limit: Duration = .seconds(20),
        refusal: @escaping @Sendable () -> String? = { AcceleratorProbe.refusalNow() }
    ) {
        self.processes = processes
        self.time = time
        self.program = program
        self.limit = limit
        self.refusal = refusal
    }
}
