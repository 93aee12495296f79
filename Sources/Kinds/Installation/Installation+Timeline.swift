import Foundation
import Manifest
import NetBoot
import NixOS
import Resource

extension Installation {
    /// Keys of `Status.timeline`. Beside these are NetBoot's phases (dhcp, tftp, http, ipxe, kernel, initrd, installer), as they were
    /// when the run began, and the installer's (kexec, disko, install, reboot), as they were first read in its log.
    package enum Milestone {
        /// The virtual machine's process was started.
        package static let machine = "machine"
        /// The installer was started on this host, and ended.
        package static let started = "started", finished = "finished"
        /// By the node's own clock: the kernel of its system was started, its SSH server and first boot were done.
        package static let booted = "booted", ssh = "ssh", joined = "joined"
        /// plasma first saw the system answer with its own host key.
        package static let seen = "seen"
    }

    /// One boot of an installed system, in this host's time.
    package struct NodeBoot: Hashable, Sendable {
        package var id: String
        package var began: Moment
        package var seen: Moment
        /// When units came up.
        package var units: [String: Moment] = [:]
        /// Units of its first boot are not up yet.
        package var isPending = false

        package init(id: String, began: Moment, seen: Moment) {
            self.id = id
            self.began = began
            self.seen = seen
        }

        mutating func note(_ facts: BootFacts) {
            for (unit, seconds) in facts.units where units[unit] == nil {
                units[unit] = Moment(milliseconds: began.milliseconds + Int64(seconds * 1000))
            }
            isPending = !facts.pending.isEmpty
        }
    }
}

extension Installation.Planning {
    /// The first boot of what a run installed; a later one is another story.
    static func noteBoot(_ boot: Installation.NodeBoot?, _ status: inout Installation.Status) {
        typealias Milestone = Installation.Milestone
        guard let boot, let started = status.timeline[Milestone.started], boot.began > started else { return }
        if status.firstBoot == nil { status.firstBoot = boot.id }
        guard status.firstBoot == boot.id else { return }
        func note(_ key: String, _ moment: Moment?) { if status.timeline[key] == nil { status.timeline[key] = moment } }
        note(Milestone.booted, boot.began)
        note(Milestone.ssh, boot.units["sshd.service"] ?? boot.units["ssh.service"])
        note(Milestone.seen, boot.seen)
        guard !boot.isPending else { return }
        // Where nothing joins a cluster, the first boot was done with the SSH server.
        note(Milestone.joined, boot.units.filter { $0.key.hasSuffix("-cluster-join.service") }.values.max() ?? status.timeline[Milestone.ssh] ?? boot.seen)
    }
}

extension InstallationRound {
    /// What the machine did before its installer was started: kept with the run, because NetBoot tells of the latest boot alone.
    var beginnings: [String: Moment] {
        var timeline = ownBoot?.phases ?? [:]
        if let machine = reader.get(VirtualMachine.self, name)?.status?.detail.startedAt, timeline.values.allSatisfy({ machine <= $0 }) {
            timeline[Installation.Milestone.machine] = machine
        }
        return timeline
    }
}
