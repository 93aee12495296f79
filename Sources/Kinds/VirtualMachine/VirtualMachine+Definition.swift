import Bytes
import Crypto
import Foundation
import Manifest
import QEMU
import Reconcile
import Resource

extension VirtualMachine {
    /// Why a machine cannot be started just now.
    struct Obstacle: Error {
        var condition: Condition
    }

    package static func mentions(_ spec: Spec, _ status: Status?) -> [Reference] {
        let disks = Set(spec.disks.map(\.disk.scalarText)).union(status?.disks ?? [])
        return disks.sorted().map { Reference(Disk.self, $0) } + spec.interfaces.map { Reference(Network.self, $0.network.scalarText) }
    }

    /// What QEMU is to be started with, once everything that it depends on is ready.
    static func definition(
        of machine: Resource<VirtualMachine>, _ premises: Premises, _ reader: Reader
    ) -> Result<(machine: MachineDefinition, ports: [BridgePort]), Obstacle> {
        do {
            return .success(try wanted(machine, premises, reader))
        } catch {
            return .failure(error)
        }
    }

    private static func wanted(
        _ machine: Resource<VirtualMachine>, _ premises: Premises, _ reader: Reader
    ) throws(Obstacle) -> (machine: MachineDefinition, ports: [BridgePort]) {
        let spec = machine.spec
        let host = spec.host?.scalarText ?? premises.host
        guard host == premises.host else {
            throw Obstacle(condition: .stalled("it is meant for Host/\(host), but this is Host/\(premises.host); run plasma there, or change spec.host"))
        }
        var definition = MachineDefinition(
            name: machine.name, uuid: uuid(of: machine, premises), cpus: spec.cpus, memoryBytes: spec.memory.bytes,
            accelerator: try accelerator(of: host, reader), firmware: try firmware(spec, premises),
            kernel: spec.boot.map {
                MachineDefinition.DirectBoot(kernel: $0.kernel.path, initrd: $0.initrd?.path, commandLine: $0.commandLine ?? "")
            },
            directory: premises.directory)
        let boot = bootIndices(of: spec)
        for (index, attached) in spec.disks.enumerated() {
            let reference = Reference(Disk.self, attached.disk.scalarText)
            guard let disk = reader.get(Disk.self, reference.name) else { throw missing(reference) }
            guard let path = disk.status?.detail.path, !disk.metadata.isLeaving, disk.isReady else { throw unready(reference, disk) }
            definition.drives.append(MachineDefinition.Drive(
                path: path, format: disk.spec.format.rawValue, serial: attached.serial ?? attached.device,
                bootIndex: boot.disks[index]))
        }
        var ports: [BridgePort] = []
        for (index, interface) in spec.interfaces.enumerated() {
            let reference = Reference(Network.self, interface.network.scalarText)
            guard let network = reader.get(Network.self, reference.name) else { throw missing(reference) }
            guard !network.metadata.isLeaving, network.isReady else { throw unready(reference, network) }
            definition.interfaces.append(MachineDefinition.Interface(
                mac: interface.mac.scalarText, backend: backend(interface, network, machine.name, index),
                bootIndex: boot.interfaces[index]))
            if let port = port(machine.name, index, network) { ports.append(port) }
        }
        return (definition, ports)
    }

    private static func port(_ machine: String, _ index: Int, _ network: Resource<Network>) -> BridgePort? {
        guard network.spec.driver == .bridge, let bridge = Network.segment(of: network)?.interface else { return nil }
        return BridgePort(tap: tap(machine, index), bridge: bridge)
    }

    /// The TAP devices that a machine may have left: also of networks that it was on before.
    static func taps(of machine: String) -> [String] { (0..<interfacesMax).map { tap(machine, $0) } }

    static func tap(_ machine: String, _ index: Int) -> String { Network.deviceName("pt", "\(machine)-\(index)") }

    /// Pinned: the same machine in the same place always has the same identity, also after its
    /// record was deleted and made again.
    static func uuid(of machine: Resource<VirtualMachine>, _ premises: Premises) -> String {
        if let given = machine.spec.uuid { return given.scalarText.lowercased() }
        if let known = machine.status?.detail.uuid { return known }
        // RFC 9562, version 8: a hash of our own choosing.
        var bytes = Array(SHA256.hash(data: Data("plasma.cloud/VirtualMachine/\(premises.host)\(premises.directory)".utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        let text = Hex.encode(bytes)
        var parts: [Substring] = []
        var rest = text[...]
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return parts.joined(separator: "-")
    }

    private static func accelerator(of host: String, _ reader: Reader) throws(Obstacle) -> MachineDefinition.Accelerator {
        let reference = Reference(Host.self, host)
        guard let record = reader.get(Host.self, host) else { throw missing(reference) }
        guard record.isReady, let found = record.status?.detail.accelerator.flatMap(MachineDefinition.Accelerator.init(rawValue:)) else {
            throw unready(reference, record)
        }
        return found
    }

    private static func firmware(_ spec: Spec, _ premises: Premises) throws(Obstacle) -> MachineDefinition.Firmware {
        // A kernel that QEMU loads itself needs no OVMF, and boots a second sooner without it.
        if spec.firmware == .bios { return .bios }
        guard let found = premises.firmware else {
            throw Obstacle(condition: .stalled("there is no OVMF firmware on this host; install it (Debian: apt install ovmf) or set firmware: bios"))
        }
        return found.firmware
    }

    /// The given ones as they are; the others by `bootOrder` and place, each the next that is free: QEMU takes none twice.
    static func bootIndices(of spec: Spec) -> (disks: [Int?], interfaces: [Int?]) {
        var taken = Set(spec.disks.compactMap(\.bootIndex) + spec.interfaces.compactMap(\.bootIndex))
        var (disks, interfaces) = (spec.disks.map(\.bootIndex), spec.interfaces.map(\.bootIndex))
        func fill(_ indices: inout [Int?], from first: Int) {
            for index in indices.indices where indices[index] == nil {
                var next = first + index
                while !taken.insert(next).inserted { next += 1 }
                indices[index] = next
            }
        }
        for (place, device) in spec.bootOrder.enumerated() {
            switch device {
            case .disk: fill(&disks, from: place * 32)
            case .network: fill(&interfaces, from: place * 32)
            }
        }
        return (disks, interfaces)
    }

    private static func backend(
        _ interface: Interface, _ network: Resource<Network>, _ machine: String, _ index: Int
    ) -> MachineDefinition.Interface.Backend {
        switch network.spec.driver {
        case .multicast:
            let multicast = network.spec.multicast ?? Network.Multicast(group: Network.defaultGroup, localAddress: Network.loopback)
            return .multicast(group: multicast.group.scalarText, localAddress: multicast.localAddress.scalarText)
        case .bridge:
            return .tap(tap(machine, index))
        case .user:
            return .user(
                forwards: Dictionary(interface.forwards.map { ($0.host, $0.guest) }, uniquingKeysWith: { first, _ in first }),
                subnet: userSubnet(network.spec, interface.address))
        }
    }

    /// What QEMU is told where the network is not as its user networking is by itself: 10.0.2.0/24, the host at .2, a name server at .3, the guest at .15.
    static func userSubnet(_ network: Network.Spec, _ address: IPv4Address?) -> MachineDefinition.Interface.UserSubnet? {
        let subnet = network.subnet
        // Three have addresses there.
        guard subnet.prefixLength <= 29 else { return nil }
        let hosts = subnet.network.number + 1 ... subnet.broadcast.number - 1
        func usual(_ number: UInt32, beside others: [UInt32]) -> UInt32? {
            let wished = subnet.network.number &+ number
            return hosts.contains(wished) && !others.contains(wished) ? wished : hosts.first { !others.contains($0) }
        }
        let given = [network.gateway, address].compactMap { $0?.number }
        guard let host = network.gateway?.number ?? usual(2, beside: given), let dns = usual(3, beside: given + [host]),
            let guest = address?.number ?? usual(15, beside: given + [host, dns])
        else { return nil }
        let wanted = MachineDefinition.Interface.UserSubnet(
            subnet: subnet.scalarText, host: IPv4Address(number: host).scalarText, dns: IPv4Address(number: dns).scalarText,
            guest: IPv4Address(number: guest).scalarText)
        return wanted == .usual ? nil : wanted
    }

    private static func missing(_ reference: Reference) -> Obstacle {
        Obstacle(condition: .waiting(on: reference, "there is no such object; apply one of that name"))
    }

    private static func unready(_ reference: Reference, _ record: any AnyResource) -> Obstacle {
        Obstacle(condition: .waiting(on: reference, record.metadata.isLeaving ? "it is leaving" : record.summary?.phase.lowercased() ?? "not looked at yet"))
    }
}
