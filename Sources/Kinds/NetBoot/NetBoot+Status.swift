import Foundation
import NetBoot
import Reconcile
import Resource

extension NetBoot {
    package struct Status: Codable, Hashable, Sendable {
        /// Machines that asked to boot and are not in the manifest; the first ones, when there are many.
        var pending: [Unknown] = []
        /// Nodes it is offered to right now.
        var offered: [String] = []
        /// How far each machine came in its latest boot from the network.
        var machines: [Machine] = []
        /// What is missing for some machines, while all others boot.
        var problem: String?

        init() {}

        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            // Before, they were MAC addresses alone; who is still there is noted again.
            pending = (try? fields.decodeIfPresent([Unknown].self, forKey: .pending)) ?? []
            offered = try fields.decodeIfPresent([String].self, forKey: .offered) ?? []
            machines = try fields.decodeIfPresent([Machine].self, forKey: .machines) ?? []
            problem = try fields.decodeIfPresent(String.self, forKey: .problem)
        }
    }

    package struct Unknown: Codable, Hashable, Sendable {
        var mac: String
        /// What it boots with: "UEFI x86-64".
        var firmware: String
        /// When it asked first, since the server started.
        var since: Moment
    }

    package struct Machine: Codable, Hashable, Sendable {
        /// The MAC address where no Node has it.
        var node: String
        var mac: String
        /// The furthest one: dhcp, tftp, http, ipxe, kernel, initrd or installer.
        var phase: String?
        /// By phase.
        var phases: [String: Moment]
        /// Boots that were seen since the server started.
        var boots: Int
        var problem: String?
        /// For how many milliseconds in all its requests waited for the boot servers, up to the last phase.
        var servedMilliseconds: Int?
    }
}

extension Resource where K == NetBoot {
    /// - Parameter machines: those that it may serve.
    func status(_ seen: NetBoot.Sight, _ machines: [BootMachine]) -> NetBoot.Status {
        var status = NetBoot.Status()
        let nodes = Dictionary(machines.map { ($0.mac, $0.node) }, uniquingKeysWith: { first, _ in first })
        status.offered = Set((seen.served?.service.machines ?? []).filter(\.boots).map(\.node)).sorted()
        status.pending = (seen.served?.pending ?? []).map { NetBoot.Unknown(mac: $0.mac.description, firmware: $0.firmware, since: Moment($0.since)) }
        var notes = seen.notes
        if let fault = seen.served?.advertisementFault { notes.append("no router advertisements, so that iPXE waits longer: \(fault)") }
        status.problem = notes.isEmpty ? nil : notes.joined(separator: "; ")
        let found = seen.served?.machines ?? []
        let now = found.map { machine in
            NetBoot.Machine(
                node: nodes[machine.mac] ?? machine.mac.description, mac: machine.mac.description, phase: machine.timeline.last?.rawValue,
                phases: Dictionary(uniqueKeysWithValues: machine.timeline.phases.map { ($0.key.rawValue, Moment($0.value)) }), boots: machine.timeline.boots,
                problem: machine.loop.map { words(of: $0, machine.timeline) } ?? machine.trouble, servedMilliseconds: served(machine))
        }
        // What was seen before the server was started anew is still what was seen last.
        let known = Set(now.map(\.mac)), named = Set(machines.map(\.mac.description))
        let earlier = (self.status?.detail.machines ?? []).filter { !known.contains($0.mac) && named.contains($0.mac) }.map { machine in
            var machine = machine
            machine.problem = nil
            return machine
        }
        status.machines = (now + earlier).sorted { ($0.node, $0.mac) < ($1.node, $1.mac) }
        return status
    }

    private func words(of loop: BootLoop, _ timeline: Timeline) -> String {
        let within = "within \(LoopDetector.window.components.seconds / 60) min"
        return switch loop {
        case .kernels:
            "boot loop: it fetched its kernel \(LoopDetector.kernels) times \(within) and did not reach the installer; look at its console"
        case .boots:
            "boot loop: it began to boot \(LoopDetector.boots) times \(within) and did not reach the installer; it came as far as "
                + "\(timeline.last?.rawValue ?? "nothing"); look at its console"
        }
    }

    /// What is recorded already stands until the next phase: no status is written for every packet.
    private func served(_ machine: BootSight.Machine) -> Int? {
        let before = status?.detail.machines.first { $0.mac == machine.mac.description }
        let phases = machine.timeline.phases.mapValues { Moment($0) }
        if let before, before.phases.count == phases.count, phases.allSatisfy({ before.phases[$0.key.rawValue] == $0.value }) { return before.servedMilliseconds }
        return Int(machine.timeline.served / .milliseconds(1))
    }

    /// What the status has that the record does not have yet.
    func happenings(_ status: NetBoot.Status) -> [Happening] {
        let before = Dictionary((self.status?.detail.machines ?? []).map { ($0.mac, $0) }, uniquingKeysWith: { first, _ in first })
        var happenings: [Happening] = []
        for machine in status.machines {
            for phase in Timeline.Phase.allCases {
                guard let date = machine.phases[phase.rawValue], before[machine.mac]?.phases[phase.rawValue] != date else { continue }
                happenings.append(Happening(reason: "NetBoot", message: "\(machine.node) \(phase.sentence)"))
            }
        }
        let noted = Set((self.status?.detail.pending ?? []).map(\.mac))
        for machine in status.pending where !noted.contains(machine.mac) {
            happenings.append(
                Happening(reason: "UnknownMachine", message: "\(machine.mac) (\(machine.firmware)) asked to boot, and no Node has it", isWarning: true))
        }
        return happenings
    }
}

extension Timeline.Phase {
    fileprivate var sentence: String {
        switch self {
        case .dhcp: "was given an address to boot with"
        case .tftp: "fetches a boot loader"
        case .http: "fetches a boot loader over HTTP"
        case .ipxe: "runs iPXE"
        case .kernel: "fetches its kernel"
        case .initrd: "fetches its initial RAM disk"
        case .installer: "reached the installer"
        }
    }
}
