import Manifest
import Reconcile
import Resource

extension Node {
    /// A node is seen through its children's records.
    package struct Sight: Hashable, Sendable {
        package init() {}
    }

    package enum Planning: Planner {
        package typealias K = Node

        package static func plan(_ goal: Goal<Node>, given seen: Sight, _ reader: Reader) -> Plan<Node, NoAction> {
            let node = goal.resource
            var status = Status()
            status.addresses = node.spec.interfaces.compactMap { $0.address?.scalarText }
            switch (goal, node.spec.machine) {
            case (.absent, .virtual(let machine)):
                guard let obstacle = Node.kept(node, reader) else { return Plan(.ready, status: status) }
                status.machine = "virtual"
                let children = (Node.children(of: node, machine) ?? []).filter { reader.get($0.reference) != nil }
                return Plan(obstacle, children: children, status: status)
            case (.absent, .metal):
                return Plan(.ready, status: status)
            case (.present, .metal):
                status.machine = "metal"
                return Plan(.stalled("this version cannot switch a real machine: it has no driver for a \(bmcName(node)) controller"), status: status)
            case (.present, .virtual(let machine)):
                status.machine = "virtual"
                guard let children = Node.children(of: node, machine) else {
                    return Plan(.stalled("its name is too long to name its disks after it; choose a shorter one"), status: status)
                }
                status.system = node.spec.system == nil ? nil : reader.get(Installation.self, node.name)?.status?.detail.system
                status.disks = children.filter { $0.reference.kind == Disk.name }.map(\.name)
                return Plan(standing(of: children, reader), children: children, status: status)
            }
        }

        package static func foresee(_ action: NoAction, in seen: Sight) -> Sight { seen }

        private static func bmcName(_ node: Resource<Node>) -> String {
            if case .metal(let metal) = node.spec.machine { metal.bmc.protocol.rawValue } else { "" }
        }
    }

    /// What a virtual node is made of. Names are the node's own, so that a person finds them.
    /// nil when the node's name leaves no room for them.
    static func children(of node: Resource<Node>, _ machine: Virtual) -> [any AnyResource]? {
        let labels = node.metadata.labels.merging(["plasma.cloud/node": node.name]) { _, new in new }
        let disks = node.spec.disks.map { disk in
            Resource<Disk>(
                metadata: Metadata(name: "\(node.name)-\(disk.deviceName)", labels: labels),
                spec: Disk.Spec(
                    size: disk.size, format: disk.format, backing: disk.backing, layout: disk.layout, wipePolicy: disk.wipePolicy,
                    deletionPolicy: disk.deletionPolicy, path: disk.path))
        }
        let attached = zip(node.spec.disks, disks).compactMap { disk, child in
            (try? ObjectName(scalar: child.name)).map {
                VirtualMachine.AttachedDisk(disk: $0, device: disk.deviceName, serial: disk.serial, bootIndex: nil)
            }
        }
        guard attached.count == disks.count else { return nil }
        let spec = VirtualMachine.Spec(
            cpus: machine.cpus, memory: machine.memory, firmware: machine.firmware, uuid: machine.uuid, bootOrder: machine.bootOrder,
            disks: attached,
            interfaces: node.spec.interfaces.map {
                VirtualMachine.Interface(network: $0.network, mac: $0.mac, address: $0.address, bootIndex: nil, forwards: $0.forwards)
            },
            boot: machine.boot, runPolicy: machine.runPolicy, updatePolicy: machine.updatePolicy, stopTimeout: machine.stopTimeout, host: machine.host)
        let vm = Resource<VirtualMachine>(metadata: Metadata(name: node.name, labels: labels), spec: spec)
        return disks + [vm] + installation(of: node, labels)
    }

    /// What puts its system onto it, when it has one.
    private static func installation(of node: Resource<Node>, _ labels: [String: String]) -> [any AnyResource] {
        guard let system = node.spec.system, let name = try? ObjectName(scalar: node.name) else { return [] }
        let spec = Installation.Spec(
            node: name, flake: system.flake, attribute: system.attribute, program: system.installer, target: nil, netBoot: system.netBoot,
            diskoMode: .disko, phases: Installation.Phase.allCases, deadlines: .usual, retries: Installation.usualRetries, wipeConsent: nil)
        return [Resource<Installation>(metadata: Metadata(name: node.name, labels: labels), spec: spec)]
    }
}

/// Ready when all are; otherwise waiting on the first that is not, with its own reason.
func standing(of objects: [any AnyResource], _ reader: Reader) -> Condition {
    for object in objects {
        guard let record = reader.get(object.reference) else { return .waiting(on: object.reference, "not made yet") }
        if !record.isReady { return .waiting(on: object.reference, reason(record)) }
    }
    return .ready
}

/// Why a record is not ready, in its own words.
func reason(_ record: any AnyResource) -> String {
    if record.metadata.isLeaving { return "it is leaving" }
    guard let summary = record.summary else { return "not looked at yet" }
    if let stalled = summary.condition("Stalled"), stalled.status == .yes { return stalled.message }
    return summary.condition("Ready")?.lasting ?? summary.phase
}
