import Manifest
import Resource

/// Addresses lie in their subnets, and nothing on a segment is given out twice.
func checkAddresses(_ world: CheckedWorld) -> [Problem] {
    var check = AddressCheck(world: world)
    check.segments()
    for node in world.nodes {
        let host: ObjectName? = if case .virtual(let machine) = node.spec.machine { machine.host } else { nil }
        for (index, interface) in node.spec.interfaces.enumerated() {
            if case .metal = node.spec.machine, let network = world.network(interface.network), network.spec.driver == .user {
                check.problems += node.problem(
                    "spec.interfaces[\(index)].network", "\"\(interface.network)\" has driver user, on which no real machine can be; name one with driver bridge")
            }
            check.interface(node, index, interface.network, interface.address, interface.mac, interface.forwards, host)
        }
    }
    for machine in world.machines {
        for (index, interface) in machine.spec.interfaces.enumerated() {
            check.interface(
                machine, index, interface.network, interface.address, interface.mac, interface.forwards, machine.spec.host)
        }
    }
    return check.problems
}

private struct AddressCheck {
    let world: CheckedWorld
    var problems: [Problem] = []
    private var addresses = FirstOwners<String>()
    private var macs = FirstOwners<MACAddress>()
    private var forwards = FirstOwners<String>()

    init(world: CheckedWorld) { self.world = world }

    /// Networks among themselves.
    mutating func segments() {
        var groups = FirstOwners<SocketAddress4>()
        var devices = FirstOwners<String>()
        for (index, network) in world.networks.enumerated() {
            if let group = network.spec.multicast?.group,
                let first = network.claim(group, in: &groups, at: "spec.multicast.group")
            {
                problems += network.problem(
                    "spec.multicast.group", "\"\(group)\" is already the group of \(first): they would be one segment")
            }
            let device =
                network.spec.bridge.map { ("spec.bridge.interface", $0.interface) }
                ?? network.spec.interface.map { ("spec.interface", $0) }
            if let (path, device) = device, let first = network.claim(device, in: &devices, at: path) {
                problems += network.problem(path, "\"\(device)\" is already the device of \(first)")
            }
            guard network.spec.joins, !network.isBroken("spec.subnet") else { continue }
            if let other = world.networks[..<index].first(where: {
                $0.spec.joins && !$0.isBroken("spec.subnet") && $0.spec.subnet.overlaps(network.spec.subnet)
            }) {
                let owner = other.described(at: "spec.subnet")
                problems += network.problem(
                    "spec.subnet",
                    "\"\(network.spec.subnet)\" overlaps \(other.spec.subnet) of \(owner); the host cannot be on both")
            }
        }
    }

    mutating func interface<K: Kind>(
        _ entry: CheckedWorld.Entry<K>, _ index: Int, _ network: ObjectName, _ address: IPv4Address?, _ mac: MACAddress,
        _ ports: [VirtualMachine.Forward], _ host: ObjectName?
    ) {
        let base = "spec.interfaces[\(index)]"
        if let first = entry.claim(mac, in: &macs, at: "\(base).mac") {
            problems += entry.problem("\(base).mac", "\"\(mac)\" is already the MAC address of \(first)")
        }
        guard !entry.isBroken("\(base).network"), let segment = world.network(network) else { return }
        if let address {
            if let why = segment.spec.subnet.refusal(of: address) {
                problems += entry.problem("\(base).address", "\"\(address)\" \(why)")
            } else if address == segment.spec.gateway {
                problems += entry.problem("\(base).address", "\"\(address)\" is the gateway of \(segment.reference)")
            } else if address == segment.spec.hostAddress {
                problems += entry.problem("\(base).address", "\"\(address)\" is the host's own address on \(segment.reference)")
            } else if segment.spec.driver != .user,
                let first = entry.claim("\(network) \(address)", in: &addresses, at: "\(base).address")
            {
                problems += entry.problem("\(base).address", "\"\(address)\" is already the address of \(first)")
            }
        }
        for (place, port) in ports.enumerated() {
            let path = "\(base).forwards[\(place)]"
            if segment.spec.driver != .user {
                problems += entry.problem(
                    path, "is for networks of driver user, but \(segment.reference) has driver \(segment.spec.driver.rawValue)")
            } else if let first = entry.claim("\(host?.scalarText ?? "") \(port.host)", in: &forwards, at: "\(path).host") {
                problems += entry.problem("\(path).host", "\"\(port.host)\" already leads to \(first)")
            }
        }
    }
}

extension Network.Spec {
    /// The host takes an address there.
    fileprivate var joins: Bool { driver != .user && hostOnSegment }
}
