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
        let order = spec.bootOrder
        for (index, attached) in spec.disks.enumerated() {
            let reference = Reference(Disk.self, attached.disk.scalarText)
            guard let disk = reader.get(Disk.self, reference.name) else { throw missing(reference) }
            guard let path = disk.status?.detail.path, !disk.metadata.isLeaving, disk.isReady else { throw unready(reference, disk) }
            definition.drives.append(MachineDefinition.Drive(
                path: path, format: disk.spec.format.rawValue, serial: attached.serial ?? attached.device,
                bootIndex: attached.bootIndex ?? bootIndex(.disk, index, order)))
        }
        var ports: [BridgePort] = []
        for (index, interface) in spec.interfaces.enumerated() {
            let reference = Reference(Network.self, interface.network.scalarText)
            guard let network = reader.get(Network.self, reference.name) else { throw missing(reference) }
            guard !network.metadata.isLeaving, network.isReady else { throw unready(reference, network) }
            definition.interfaces.append(MachineDefinition.Interface(
                mac: interface.mac.scalarText, backend: backend(interface, network, machine.name, index),
                bootIndex: interface.bootIndex ?? bootIndex(.network, index, order)))
            if network.spec.driver == .bridge, let bridge = Network.segment(of: network)?.interface {
                ports.append(BridgePort(tap: tap(machine.name, index), bridge: bridge))
            }
        }
        return (definition, ports)
    }

    /// The TAP devices that a machine may have left on bridges.
    static func taps(of machine: Resource<VirtualMachine>, _ reader: Reader) -> [String] {
        machine.spec.interfaces.enumerated().compactMap { index, interface in
            let network = reader.get(Network.self, interface.network.scalarText)
            return network?.spec.driver == .bridge ? tap(machine.name, index) : nil
        }
    }

    private static func tap(_ machine: String, _ index: Int) -> String { Network.deviceName("pt", "\(machine)-\(index)") }

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

    private static func bootIndex(_ device: BootDevice, _ index: Int, _ order: [BootDevice]) -> Int? {
        order.firstIndex(of: device).map { $0 * 32 + index }
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
            return .user(forwards: Dictionary(interface.forwards.map { ($0.host, $0.guest) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    private static func missing(_ reference: Reference) -> Obstacle {
        Obstacle(condition: .waiting(on: reference, "there is no such object; apply one of that name"))
    }

    private static func unready(_ reference: Reference, _ record: any AnyResource) -> Obstacle {
        Obstacle(condition: .waiting(on: reference, record.metadata.isLeaving ? "it is leaving" : record.summary?.phase.lowercased() ?? "not looked at yet"))
    }
}
