import Foundation
import Host
import Probe
import QEMU
import Reconcile
import Resource
import Segment
import Synchronization

@testable import Kinds

/// A host made of values: machines, images and devices that obey at once, and a ledger of every
/// destructive act. Whatever a real host would refuse, it reports as a breach.
final class SimulatedWorld: Sendable {
    struct Running: Hashable {
        var commandLine: [String]
        var pid: Int
        var state = "running"
    }

    struct State {
        var machines: [String: Running] = [:]
        var files: Set<String> = []
        var images: [String: Kinds.Disk.Sight.Seen] = [:]
        var devices: [String: Network.Sight.Device] = [:]
        var probe: Kinds.Host.Sight.Probed?
        var pids = 100
        var performed: [Reference: [String]] = [:]
        var wiped: [String: Int] = [:]
        var breaches: [String] = []
        /// Performing stops with a crash when this many more actions were done; nil never.
        var crashAfter: Int?
    }

    struct Crash: Error {}
    /// What a real host would refuse as well: it is tried again.
    struct Refused: Error {}

    let state = Mutex(State())
    static let host = "lab"

    func act(_ reference: Reference, _ action: String, _ body: (inout State) -> Void) throws {
        try state.withLock { state in
            if let left = state.crashAfter {
                if left == 0 { throw Crash() }
                state.crashAfter = left - 1
            }
            state.performed[reference, default: []].append(action)
            body(&state)
        }
    }

    static func premises(_ name: String) -> VirtualMachine.Premises {
        VirtualMachine.Premises(
            host: host, directory: "/data/machines/\(name)", firmware: FoundFirmware(code: "/ovmf/code", variablesTemplate: "/ovmf/vars"))
    }
}

struct SimulatedMachines: Observer, Performer {
    typealias P = VirtualMachine.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<VirtualMachine>, _ reader: Reader) async throws -> VirtualMachine.Sight {
        let name = goal.resource.name
        return world.state.withLock { state in
            let premises = SimulatedWorld.premises(name)
            guard let running = state.machines[name] else {
                return VirtualMachine.Sight(process: .none, hasFiles: state.files.contains(name), premises: premises)
            }
            return VirtualMachine.Sight(
                process: .running(.init(pid: running.pid, commandLine: running.commandLine, state: running.state)), hasFiles: true,
                premises: premises)
        }
    }

    func perform(_ action: VirtualMachine.Action) async throws {
        let description = action.description
        switch action {
        case .start(let machine, _):
            let isWhole = world.state.withLock { state in machine.drives.allSatisfy { state.images[$0.path] != nil } }
            // QEMU does not start without its images.
            guard isWhole else { throw SimulatedWorld.Refused() }
            try world.act(Reference(VirtualMachine.self, machine.name), description) { state in
                if state.machines[machine.name] != nil { state.breaches.append("\(machine.name) started while it ran") }
                state.pids += 1
                state.machines[machine.name] = .init(commandLine: ["qemu"] + machine.arguments().flatMap(\.arguments), pid: state.pids)
                state.files.insert(machine.name)
            }
        case .reset(let name): try world.act(Reference(VirtualMachine.self, name), description) { _ in }
        case .resume(let name):
            try world.act(Reference(VirtualMachine.self, name), description) { $0.machines[name]?.state = "running" }
        case .plug(let name, _): try world.act(Reference(VirtualMachine.self, name), description) { _ in }
        case .powerDown(let name, _), .end(let name):
            try world.act(Reference(VirtualMachine.self, name), description) { state in
                if state.machines.removeValue(forKey: name) == nil { state.breaches.append("\(name) stopped twice") }
            }
        case .clear(let name, _):
            try world.act(Reference(VirtualMachine.self, name), description) { state in
                if state.machines[name] != nil { state.breaches.append("\(name) cleared while it ran") }
                if state.files.remove(name) == nil { state.breaches.append("\(name) cleared twice") }
            }
        }
    }
}

struct SimulatedDisks: Observer, Performer {
    typealias P = Kinds.Disk.Planning
    let world: SimulatedWorld

    static func path(_ disk: Resource<Kinds.Disk>) -> String { disk.spec.path?.path ?? "/data/disks/\(disk.name).\(disk.spec.format.rawValue)" }

    func observe(_ goal: Goal<Kinds.Disk>, _ reader: Reader) async throws -> Kinds.Disk.Sight {
        let path = Self.path(goal.resource)
        return Kinds.Disk.Sight(path: path, image: world.state.withLock { $0.images[path] })
    }

    func perform(_ action: Kinds.Disk.Action) async throws {
        let description = action.description
        func reference(_ path: String) -> Reference {
            Reference(Kinds.Disk.self, ((path as NSString).lastPathComponent as NSString).deletingPathExtension)
        }
        switch action {
        case .create(let path, let format, let bytes, let backing):
            try world.act(reference(path), description) { state in
                if state.images[path] != nil { state.breaches.append("\(path) made over an image") }
                state.images[path] = .init(format: format.rawValue, bytes: bytes, backing: backing?.path.path)
            }
        case .grow(let path, _, let bytes, _):
            try world.act(reference(path), description) { state in
                if let size = state.images[path]?.bytes, size > bytes { state.breaches.append("\(path) shrunk") }
                state.images[path]?.bytes = bytes
            }
        case .wipe(let path, let consent):
            try world.act(reference(path), description) { state in
                state.wiped[consent, default: 0] += 1
                if state.images.removeValue(forKey: path) == nil { state.breaches.append("\(path) wiped, but it was not there") }
            }
        case .delete(let path):
            try world.act(reference(path), description) { state in
                if state.images.removeValue(forKey: path) == nil { state.breaches.append("\(path) deleted twice") }
            }
        }
    }
}

struct SimulatedNetworks: Observer, Performer {
    typealias P = Network.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Network>, _ reader: Reader) async throws -> Network.Sight {
        world.state.withLock { state in
            Network.Sight(
                device: Network.segment(of: goal.resource).flatMap { state.devices[$0.interface] },
                hasFormer: Network.former(of: goal.resource).map { state.devices[$0.interface] != nil } ?? false)
        }
    }

    func perform(_ action: Network.Action) async throws {
        let description = action.description
        switch action {
        case .create(let segment):
            try world.act(Reference(Network.self, segment.name), description) { state in
                if state.devices[segment.interface] != nil { state.breaches.append("\(segment.interface) made twice") }
                state.devices[segment.interface] = .init(interface: segment.interface, address: segment.hostAddress, mtu: segment.mtu)
            }
        case .adjust(let segment):
            try world.act(Reference(Network.self, segment.name), description) { state in
                if state.devices[segment.interface] == nil { state.breaches.append("\(segment.interface) adjusted, but it was not there") }
                state.devices[segment.interface] = .init(interface: segment.interface, address: segment.hostAddress, mtu: segment.mtu)
            }
        case .remove(let segment):
            try world.act(Reference(Network.self, segment.name), description) { state in
                if state.devices.removeValue(forKey: segment.interface) == nil { state.breaches.append("\(segment.interface) removed twice") }
            }
        }
    }
}

struct SimulatedHosts: Observer, Performer {
    typealias P = Kinds.Host.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Kinds.Host>, _ reader: Reader) async throws -> Kinds.Host.Sight {
        Kinds.Host.Sight(
            here: SimulatedWorld.host, cpus: 2, memory: 8 << 30, qemuVersion: "7.2.0", probe: world.state.withLock { $0.probe })
    }

    func perform(_ action: Kinds.Host.Action) async throws {
        try world.act(Reference(Kinds.Host.self, SimulatedWorld.host), action.description) { state in
            state.probe = .init(accelerator: "tcg", reason: "simulated", at: Date(timeIntervalSince1970: 0))
        }
    }
}

/// Whoever runs answers.
struct SimulatedServices: Observer, Performer {
    typealias P = Service.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Service>, _ reader: Reader) async throws -> Service.Sight {
        var sight = Service.Sight()
        guard case .present(let service) = goal else { return sight }
        for place in ServicePlacement(of: service, reader).places where Node.hosting(of: place.record, reader) == .up {
            let isRunning = world.state.withLock { $0.machines[place.node] != nil }
            sight.health[place.node] =
                isRunning
                ? .init(standing: .healthy, since: Date(timeIntervalSince1970: 0))
                : .init(standing: .unhealthy, reason: "no route to host", category: .unreachable, since: Date(timeIntervalSince1970: 0))
        }
        return sight
    }

    func perform(_ action: Service.Action) async throws {}
}
