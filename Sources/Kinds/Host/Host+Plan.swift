import Foundation
import Manifest
import QEMU
import Reconcile
import Resource

extension Host {
    package struct Sight: Hashable, Sendable {
        /// The name of the Host that plasma runs on: another Host is not seen from here.
        package var here: String
        package var cpus: Int
        package var memory: UInt64
        /// nil: QEMU is not installed.
        package var qemuVersion: String?
        /// What the last probe of this host with this kernel and this QEMU found.
        package var probe: Probed?

        package struct Probed: Hashable, Sendable, Codable {
            package var accelerator: String
            package var reason: String
            package var at: Date

            package init(accelerator: String, reason: String, at: Date) {
                self.accelerator = accelerator
                self.reason = reason
                self.at = at
            }
        }

        package init(here: String, cpus: Int, memory: UInt64, qemuVersion: String?, probe: Probed?) {
            self.here = here
            self.cpus = cpus
            self.memory = memory
            self.qemuVersion = qemuVersion
            self.probe = probe
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        /// Boots a tiny guest to learn which accelerator works. Half a minute at most.
        case probe(kernel: String?)

        package var description: String { "probe the accelerator by booting a guest" }
    }

    package enum Planning: Planner {
        package typealias K = Host

        package static func plan(_ goal: Goal<Host>, given seen: Sight, _ reader: Reader) -> Plan<Host, Action> {
            var status = Status()
            guard case .present(let host) = goal else { return Plan(.ready, status: status) }
            guard host.name == seen.here else {
                return Plan(.stalled("this version manages the host it runs on only, and that is Host/\(seen.here)"), status: status)
            }
            status.cpus = seen.cpus
            status.memory = ByteCount(seen.memory & ~UInt64((1 << 20) - 1))
            guard let version = seen.qemuVersion else {
                return Plan(.stalled("there is no qemu-system-x86_64 here; install it (Debian: apt install qemu-system-x86)"), status: status)
            }
            status.qemuVersion = version
            switch host.spec.accelerator {
            case .kvm, .tcg:
                status.accelerator = host.spec.accelerator.rawValue
                status.acceleratorReason = "spec.accelerator says so"
                return Plan(.ready, status: status)
            case .auto:
                guard let probe = seen.probe else {
                    return Plan(
                        .converging("probing the accelerator"), [.probe(kernel: host.spec.probeKernel?.path)], status: status,
                        differences: [Difference("accelerator", seen: nil, wanted: "probed", impact: .none)])
                }
                status.accelerator = probe.accelerator
                status.acceleratorReason = probe.reason
                status.probedAt = probe.at
                return Plan(.ready, status: status)
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            // Which accelerator it will be is only known by booting; TCG always works.
            next.probe = Sight.Probed(accelerator: "tcg", reason: "not probed yet", at: Date(timeIntervalSince1970: 0))
            return next
        }
    }
}
