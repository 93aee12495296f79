import Foundation
import Kinds
import QEMU
import Reconcile
import Resource
import Segment
import Synchronization

/// A host made of values: machines, images and devices that obey at once.
final class SimulatedWorld: Sendable {
    struct Running {
        var pid: Int
        var commandLine: [String]
    }

    struct State {
        var machines: [String: Running] = [:]
        var images: [String: Kinds.Disk.Sight.Seen] = [:]
        var devices: [String: Network.Sight.Device] = [:]
        var pids = 100
        var looks = 0
        var acts = 0
        /// Told of every action on a machine, before it takes effect.
        var machineActed: (@Sendable (String) -> Void)?
        var wakes: [AsyncStream<String>.Continuation] = []
    }

    static let host = "bench"
    let state = Mutex(State())

    func look<T>(_ body: (inout State) -> T) -> T where T: Sendable {
        state.withLock { state in
            state.looks += 1
            return body(&state)
        }
    }

    func act(_ body: (inout State) -> Void) {
        state.withLock { state in
            state.acts += 1
            body(&state)
        }
    }

    func wakes() -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        state.withLock { $0.wakes.append(continuation) }
        return stream
    }

    /// A machine dies, and QEMU's socket tells of it.
    func kill(_ name: String) {
        state.withLock { state in
            state.machines[name] = nil
            for wake in state.wakes { wake.yield(name) }
        }
    }

    /// The loops of a daemon over this world.
    /// - Parameter performs: false makes those of a diff.
    func loops(performs: Bool) -> [AnyLoop] {
        let (machines, disks, networks, hosts) = (
            SimulatedMachines(world: self), SimulatedDisks(world: self), SimulatedNetworks(world: self), SimulatedHosts(world: self))
        let (nodes, clusters) = (SeenThroughRecords<Node.Planning>(world: self, sight: Node.Sight()), SeenThroughRecords<Cluster.Planning>(world: self, sight: Cluster.Sight()))
        // The daemon's own intervals, so that its background load is measured along.
        return [
            AnyLoop(Loop<Cluster.Planning>(observer: clusters, performer: performs ? clusters : nil, interval: .seconds(60))),
            AnyLoop(Loop<Kinds.Host.Planning>(observer: hosts, performer: performs ? hosts : nil, interval: .seconds(30))),
            AnyLoop(Loop<Network.Planning>(observer: networks, performer: performs ? networks : nil)),
            AnyLoop(Loop<Kinds.Disk.Planning>(observer: disks, performer: performs ? disks : nil, interval: .seconds(15))),
            AnyLoop(Loop<VirtualMachine.Planning>(observer: machines, performer: performs ? machines : nil, wakes: { self.wakes() })),
            AnyLoop(Loop<Node.Planning>(observer: nodes, performer: performs ? nodes : nil, interval: .seconds(60))),
        ]
    }
}

struct SimulatedMachines: Observer, Performer {
    typealias P = VirtualMachine.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<VirtualMachine>, _ reader: Reader) async throws -> VirtualMachine.Sight {
        let name = goal.resource.name
        let premises = VirtualMachine.Premises(
            host: SimulatedWorld.host, directory: "/data/machines/\(name)",
            firmware: FoundFirmware(code: "/ovmf/code", variablesTemplate: "/ovmf/vars"))
        guard let running = world.look({ $0.machines[name] }) else {
            return VirtualMachine.Sight(process: .none, hasFiles: false, premises: premises)
        }
        return VirtualMachine.Sight(
            process: .running(.init(pid: running.pid, commandLine: running.commandLine)), hasFiles: true, premises: premises)
    }

    func perform(_ action: VirtualMachine.Action) async throws {
        switch action {
        case .start(let machine, _):
            let line = ["qemu"] + machine.arguments().flatMap(\.arguments)
            world.act { state in
                state.machineActed?(machine.name)
                state.pids += 1
                state.machines[machine.name] = .init(pid: state.pids, commandLine: line)
            }
        case .powerDown(let name), .end(let name), .clear(let name, _):
            world.act { state in
                state.machineActed?(name)
                state.machines[name] = nil
            }
        }
    }
}

struct SimulatedDisks: Observer, Performer {
    typealias P = Kinds.Disk.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Kinds.Disk>, _ reader: Reader) async throws -> Kinds.Disk.Sight {
        let path = "/data/disks/\(goal.resource.name).qcow2"
        return Kinds.Disk.Sight(path: path, image: world.look { $0.images[path] })
    }

    func perform(_ action: Kinds.Disk.Action) async throws {
        world.act { state in
            switch action {
            case .create(let path, let format, let bytes, let backing):
                state.images[path] = .init(format: format.rawValue, bytes: bytes, backing: backing?.path.path)
            case .grow(let path, _, let bytes, _): state.images[path]?.bytes = bytes
            case .wipe(let path, _), .delete(let path): state.images[path] = nil
            }
        }
    }
}

struct SimulatedNetworks: Observer, Performer {
    typealias P = Network.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Network>, _ reader: Reader) async throws -> Network.Sight {
        Network.Sight(device: world.look { $0.devices[goal.resource.name] })
    }

    func perform(_ action: Network.Action) async throws {
        world.act { state in
            switch action {
            case .create(let segment):
                state.devices[segment.name] = .init(interface: segment.interface, address: segment.hostAddress, mtu: segment.mtu)
            case .remove(let segment): state.devices[segment.name] = nil
            }
        }
    }
}

struct SimulatedHosts: Observer, Performer {
    typealias P = Kinds.Host.Planning
    let world: SimulatedWorld

    func observe(_ goal: Goal<Kinds.Host>, _ reader: Reader) async throws -> Kinds.Host.Sight {
        world.look { _ in }
        return Kinds.Host.Sight(
            here: SimulatedWorld.host, cpus: 2, memory: 8 << 30, qemuVersion: "7.2.0",
            probe: .init(accelerator: "tcg", reason: "simulated", at: Date(timeIntervalSince1970: 0)))
    }

    func perform(_ action: Kinds.Host.Action) async throws {}
}

/// The observer of a kind that has nothing of its own in the world.
struct SeenThroughRecords<P: Planner>: Observer, Performer where P.Action == NoAction {
    let world: SimulatedWorld
    let sight: P.Observation

    func observe(_ goal: Goal<P.K>, _ reader: Reader) async throws -> P.Observation {
        world.look { _ in }
        return sight
    }

    func perform(_ action: NoAction) async throws {}
}
