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
            switch goal {
            case .absent:
                guard let obstacle = Node.kept(node, reader) else { return Plan(.ready, status: status) }
                status.machine = node.spec.machine.name
                let children = (Node.children(of: node) ?? []).filter { reader.get($0.reference) != nil }
                return Plan(obstacle, children: children, status: status)
            case .present:
                status.machine = node.spec.machine.name
                guard let children = Node.children(of: node) else {
                    return Plan(.stalled("its name is too long to name its disks after it; choose a shorter one"), status: status)
                }
                if case .metal(let metal) = node.spec.machine, let bmc = metal.bmc {
                    return Plan(
                        .stalled("this version has no driver for a \(bmc.protocol.rawValue) controller; leave spec.machine.metal.bmc out, "
                            + "and switch the machine yourself"),
                        children: children.filter { reader.get($0.reference) != nil }, status: status)
                }
                status.system = node.spec.system == nil ? nil : reader.get(Installation.self, node.name)?.status?.detail.system
                status.disks = children.filter { $0.reference.kind == Disk.name }.map(\.name)
                return Plan(standing(of: children, reader), children: children, status: status)
            }
        }

        package static func foresee(_ action: NoAction, in seen: Sight) -> Sight { seen }
    }

    /// What a node is made of. Names are the node's own, so that a person finds them.
    /// nil when the node's name leaves no room for them.
    static func children(of node: Resource<Node>) -> [any AnyResource]? {
        let labels = node.metadata.labels.merging(["plasma.cloud/node": node.name]) { _, new in new }
        guard case .virtual(let machine) = node.spec.machine else { return installation(of: node, labels) }
        return parts(of: node, machine, labels).map { $0 + installation(of: node, labels) }
    }

    /// The images of a virtual machine, and itself.
    private static func parts(of node: Resource<Node>, _ machine: Virtual, _ labels: [String: String]) -> [any AnyResource]? {
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
        return disks + [vm]
    }

    /// What puts its system onto it, when it has one.
    private static func installation(of node: Resource<Node>, _ labels: [String: String]) -> [any AnyResource] {
        guard let system = node.spec.system, let name = try? ObjectName(scalar: node.name) else { return [] }
        let spec = Installation.Spec(
            node: name, flake: system.flake, attribute: system.attribute, program: system.installer, target: system.target, netBoot: system.netBoot,
            diskoMode: system.diskoMode ?? .disko, phases: system.phases ?? Installation.Phase.allCases, deadlines: system.deadlines ?? .usual,
            retries: system.retries ?? Installation.usualRetries, images: system.images)
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
