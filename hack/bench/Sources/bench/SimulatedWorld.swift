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
        /// Rounds of controllers: looks of those that only look again, or diff, do not count.
        var looks = 0
        /// Told of every action on a machine, before it takes effect.
        var machineActed: (@Sendable (String) -> Void)?
        var wakes: [AsyncStream<String>.Continuation] = []
    }

    static let host = "bench"
    let state = Mutex(State())

    func look<T: Sendable>(counts: Bool, _ body: (State) -> T) -> T {
        state.withLock { state in
            if counts { state.looks += 1 }
            return body(state)
        }
    }

    func act(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

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
        let machines = SimulatedMachines(world: self, counts: performs)
        let disks = SimulatedDisks(world: self, counts: performs)
        let networks = SimulatedNetworks(world: self, counts: performs)
        let hosts = SimulatedHosts(world: self, counts: performs)
        let nodes = SeenThroughRecords<Node.Planning>(world: self, sight: Node.Sight(), counts: performs)
        let clusters = SeenThroughRecords<Cluster.Planning>(world: self, sight: Cluster.Sight(), counts: performs)
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
    var counts = true

    func observe(_ goal: Goal<VirtualMachine>, _ reader: Reader) async throws -> VirtualMachine.Sight {
        let name = goal.resource.name
        let premises = VirtualMachine.Premises(
            host: SimulatedWorld.host, directory: "/data/machines/\(name)",
            firmware: FoundFirmware(code: "/ovmf/code", variablesTemplate: "/ovmf/vars"))
        guard let running = world.look(counts: counts, { $0.machines[name] }) else {
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
        // Nothing is ever paused here, or fails to boot.
        case .resume, .reset: break
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
    var counts = true

    func observe(_ goal: Goal<Kinds.Disk>, _ reader: Reader) async throws -> Kinds.Disk.Sight {
        let path = "/data/disks/\(goal.resource.name).qcow2"
        return Kinds.Disk.Sight(path: path, image: world.look(counts: counts) { $0.images[path] })
    }

    func perform(_ action: Kinds.Disk.Action) async throws {
        let path = switch action {
        case .create(let path, _, _, _), .grow(let path, _, _, _), .wipe(let path, _), .delete(let path): path
        }
        // An image does what the planner foresees.
        world.act { state in state.images[path] = P.foresee(action, in: .init(path: path, image: state.images[path])).image }
    }
}

struct SimulatedNetworks: Observer, Performer {
    typealias P = Network.Planning
    let world: SimulatedWorld
    var counts = true

    func observe(_ goal: Goal<Network>, _ reader: Reader) async throws -> Network.Sight {
        Network.Sight(device: world.look(counts: counts) { $0.devices[goal.resource.name] })
    }

    func perform(_ action: Network.Action) async throws {
        // Nothing else happens to a segment here.
        guard case .create(let segment) = action else { return }
        world.act { state in state.devices[segment.name] = P.foresee(action, in: .init(device: nil)).device }
    }
}

struct SimulatedHosts: Observer, Performer {
    typealias P = Kinds.Host.Planning
    let world: SimulatedWorld
    var counts = true

    func observe(_ goal: Goal<Kinds.Host>, _ reader: Reader) async throws -> Kinds.Host.Sight {
        world.look(counts: counts) { _ in }
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
    var counts = true

    func observe(_ goal: Goal<P.K>, _ reader: Reader) async throws -> P.Observation {
        world.look(counts: counts) { _ in }
        return sight
    }

    func perform(_ action: NoAction) async throws {}
}
