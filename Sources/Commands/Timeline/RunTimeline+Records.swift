import Foundation
import Kinds
import Manifest
import Resource

extension RunTimeline {
    /// The timeline of a node's latest installation; nil when it has none.
    init?(node: String, world: [Reference: any AnyResource]) throws {
        let all = try world.values.filter { $0.reference.kind == "Installation" }.map { try $0.json() }
        let own = all.filter { $0["spec"]?["node"]?.string == node }.max { ($0["status"]?["startedAt"]?.string ?? "") < ($1["status"]?["startedAt"]?.string ?? "") }
        guard let status = own?["status"] else { return nil }
        typealias Milestone = Installation.Milestone
        var timeline = Self.moments(status["timeline"])
        // Until a run begins with them, the machine's steps stand where they are seen.
        if timeline[Milestone.started] == nil { try timeline.merge(Self.boot(of: node, world)) { known, _ in known } }
        var milestones = Milestones()
        // "…-2": the machine was there before. What came before its boot is another run's.
        let isFirst = status["run"]?.string.map { $0.hasSuffix("-1") } ?? true
        if isFirst {
            milestones.applied = world[Reference(kind: "Node", name: node)].map { Moment($0.metadata.creationTimestamp) }
            milestones.machine = timeline[Milestone.machine]
        }
        milestones.dhcp = timeline["dhcp"]
        milestones.kernel = timeline["kernel"]
        milestones.installer = timeline["installer"]
        milestones.started = timeline[Milestone.started]
        milestones.phases = Self.phases.compactMap { name in timeline[name].map { (name, $0) } }
        milestones.finished = timeline[Milestone.finished]
        milestones.booted = timeline[Milestone.booted]
        milestones.ssh = timeline[Milestone.ssh]
        milestones.joined = timeline[Milestone.joined]
        milestones.seen = timeline[Milestone.seen]
        milestones.served = status["servedMilliseconds"]?.integer.map { Int($0) }
        if let seen = milestones.seen {
            let services = try world.values.filter { $0.reference.kind == "Service" }.flatMap { try $0.json()["status"]?["nodes"]?.array ?? [] }
            let own = services.filter { $0["node"]?.string == node }
            milestones.waitsForHealth = own.contains { $0["healthy"]?.bool != true && $0["firstHealthy"] == nil }
            let healthy = own.compactMap { $0["firstHealthy"]?.string.flatMap { Moment($0) } }
            // A service that was healthy before the node was installed anew tells nothing of this run.
            milestones.healthy = healthy.filter { $0 > (milestones.finished ?? seen) }.max()
        }
        self.init(node: node, milestones)
    }

    /// What NetBoot and the virtual machine tell of a machine's boot.
    private static func boot(of node: String, _ world: [Reference: any AnyResource]) throws -> [String: Moment] {
        var found: [String: Moment] = [:]
        for netBoot in world.values where netBoot.reference.kind == "NetBoot" {
            for machine in try netBoot.json()["status"]?["machines"]?.array ?? [] where machine["node"]?.string == node { found = moments(machine["phases"]) }
        }
        if let machine = try world[Reference(kind: "VirtualMachine", name: node)]?.json()["status"]?["startedAt"]?.string.flatMap({ Moment($0) }),
            found.values.allSatisfy({ machine <= $0 })
        {
            found[Installation.Milestone.machine] = machine
        }
        return found
    }

    private static func moments(_ json: JSON?) -> [String: Moment] {
        (json?.object ?? [:]).compactMapValues { $0.string.flatMap { Moment($0) } }
    }

    private static let phases = ["kexec", "disko", "install", "reboot"]
}
