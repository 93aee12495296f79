import Manifest
import NetBoot
import Reconcile
import Resource

extension NetBoot {
    /// "offer" on a Node: it is offered the NetBoot whatever its Installation says, to be rescued. On a NetBoot: its
    /// nodes are, as long as no Installation speaks of them.
    package static let offerAnnotation = "plasma.cloud/netboot"
    /// More would be no longer a rescue for machines that somebody plugged in.
    static let poolMax = 64
}

extension NetBoot.Planning {
    /// Where is served.
    struct Place {
        var network: Resource<Network>
        var interface: String
        /// The host's own address there.
        var address: IPv4Address
    }

    struct Obstacle: Error {
        var condition: Condition
        /// What is served there already has to end.
        var isFinal = false
    }

    static func place(of netBoot: Resource<NetBoot>, _ seen: NetBoot.Sight, _ reader: Reader) -> Result<Place, Obstacle> {
        let reference = Reference(Network.self, netBoot.spec.network.scalarText)
        guard let network = reader.get(Network.self, reference.name) else {
            return .failure(Obstacle(condition: .waiting(on: reference, "it does not exist"), isFinal: true))
        }
        if network.metadata.isLeaving { return .failure(Obstacle(condition: .waiting(on: reference, "it is leaving"), isFinal: true)) }
        if let occupant = seen.occupant {
            return .failure(Obstacle(condition: .stalled(
                "\(reference) is already served by \(Reference(NetBoot.self, occupant)); name the nodes there, or delete one of the two")))
        }
        guard network.spec.driver != .user, network.spec.hostOnSegment, let address = network.spec.ownAddress else {
            return .failure(Obstacle(condition: .stalled(
                "the host is not on \(reference), so it cannot serve there; give it hostOnSegment: true and a gateway or hostAddress"), isFinal: true))
        }
        guard network.isReady, let interface = network.status?.detail.interface else {
            return .failure(Obstacle(condition: .waiting(on: reference, reason(network))))
        }
        return .success(Place(network: network, interface: interface, address: address))
    }

    /// The machines that it may serve, in the order of their MAC addresses.
    static func machines(of netBoot: Resource<NetBoot>, _ seen: NetBoot.Sight, _ reader: Reader) -> [BootMachine] {
        let named = Set(netBoot.spec.nodes)
        let installations = reader.list(Installation.self).filter { !$0.metadata.isLeaving }
        let isSound = seen.unfit == nil && seen.missing.isEmpty
        let nodes = reader.list(Node.self).filter { node in
            !node.metadata.isLeaving && (node.spec.system?.netBoot?.scalarText == netBoot.name || named.contains { $0.scalarText == node.name })
        }
        return nodes.flatMap { node in
            let own = installations.filter { $0.spec.node.scalarText == node.name }
            let isWanted = own.contains { installation in
                let name = installation.spec.netBoot ?? node.spec.system?.netBoot
                return installation.status?.detail.wantsNetBoot == true && (name == nil || name?.scalarText == netBoot.name)
            }
            let isRescued = node.metadata.annotations[NetBoot.offerAnnotation] == "offer"
                || (own.isEmpty && netBoot.metadata.annotations[NetBoot.offerAnnotation] == "offer")
            return node.spec.interfaces.filter { $0.network == netBoot.spec.network }.map { interface in
                BootMachine(
                    node: node.name, hostname: node.spec.hostname.scalarText, mac: HardwareAddress(number: interface.mac.number),
                    address: interface.address.map { Address4(number: $0.number) }, boots: isSound && (isWanted || isRescued))
            }
        }.sorted { $0.mac < $1.mac }
    }

    static func service(
        of netBoot: Resource<NetBoot>, on place: Place, _ machines: [BootMachine], _ seen: NetBoot.Sight, _ reader: Reader
    ) -> BootService {
        let spec = netBoot.spec, network = place.network.spec
        var service = BootService(
            network: place.network.name, name: netBoot.name, interface: place.interface, server: Address4(number: place.address.number),
            prefixLength: network.subnet.prefixLength, gateway: network.gateway.map { Address4(number: $0.number) },
            dns: network.dns.map { Address4(number: $0.number) }, mtu: network.mtu, mode: spec.dhcp.mode == .server ? .server : .proxy,
            leaseSeconds: UInt32(min(max(spec.dhcp.leaseTime.milliseconds / 1000, 60), Int64(Int32.max))), machines: machines,
            commandLine: commandLine(spec, seen), servesUnknown: spec.unknownMachines == .serve, authorizedKeys: seen.authorizedKeys)
        if seen.unfit == nil, case .sound(let kernel) = seen.kernel {
            switch seen.initrd {
            case nil: service.kernel = kernel
            case .sound(let initrd): (service.kernel, service.initrd) = (kernel, initrd)
            case .unfit, .absent: break
            }
        }
        service.loaders = seen.loaders.mapValues { if case .sound(let file) = $0 { .pinned(file) } else { .withheld } }
        if service.mode == .server, service.servesUnknown || machines.contains(where: { $0.address == nil }) {
            service.pool = pool(of: place.network, reader)
        }
        return service
    }

    private static func commandLine(_ spec: NetBoot.Spec, _ seen: NetBoot.Sight) -> String {
        guard case .words(let words)? = seen.commandLine else { return spec.commandLine }
        return (words.split(whereSeparator: \.isWhitespace).joined(separator: " ") + " " + spec.commandLine).trimmingCharacters(in: .whitespaces)
    }

    /// The subnet's highest addresses that no record has: at most half of it, at most `poolMax`.
    private static func pool(of network: Resource<Network>, _ reader: Reader) -> [Address4] {
        let subnet = network.spec.subnet
        guard subnet.prefixLength <= 30 else { return [] }
        var taken = Set([network.spec.gateway, network.spec.hostAddress].compactMap { $0?.number } + network.spec.dns.map(\.number))
        for node in reader.list(Node.self) { taken.formUnion(node.spec.interfaces.compactMap { $0.address?.number }) }
        for machine in reader.list(VirtualMachine.self) { taken.formUnion(machine.spec.interfaces.compactMap { $0.address?.number }) }
        let hosts = Int(subnet.broadcast.number - subnet.network.number) - 1
        let lowest = subnet.broadcast.number - UInt32(max(1, hosts / 2))
        var pool: [Address4] = []
        var number = subnet.broadcast.number - 1
        while number >= lowest, pool.count < NetBoot.poolMax {
            if !taken.contains(number) { pool.append(Address4(number: number)) }
            number -= 1
        }
        return pool
    }
}

extension BootService {
    /// The same, offered to nobody.
    var withheld: BootService {
        var service = self
        for index in service.machines.indices { service.machines[index].boots = false }
        return service
    }
}
