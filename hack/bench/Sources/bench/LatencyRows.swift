import Chainfire
import Foundation
import Host
import Kinds
import Reconcile
import Resource
import Store
import Synchronization

/// From the moment a change is sent to the store to the moment a driver is told to act, in a site at rest whose loops
/// look at everything at the daemon's own intervals meanwhile.
func latencyRows(_ options: Options) async throws -> [Row] {
    let scene = Scene.of(objects: options.objects)
    let site = try await Settled(scene)
    let store = try openChainfire(try freshFolder("latency", in: options.directory))
    let mirror = makeMirror(store)
    let world = site.world
    let acts = Acts()
    world.state.withLock { $0.machineActed = { acts.note($0) } }
    return try await running([store]) {
        try await site.fill(store)
        let workshop = makeWorkshop(mirror, store, world)
        return try await running([mirror] + world.loops(performs: true).map { $0.controller(workshop) }) {
            try await wait("a first look at everything", upTo: .seconds(300), every: .milliseconds(50)) {
                world.state.withLock { $0.looks } >= scene.objects
            }
            try await Task.sleep(for: .seconds(2))
            var owned = Samples()
            var direct = Samples()
            var died = Samples()
            let looks = world.state.withLock { $0.looks }
            let began = ContinuousClock.now
            for turn in 0..<options.samples {
                let node = turn % scene.nodes
                let name = Scene.nodeName(node)
                let hand = "hand-\(turn % Scene.machinesByHand)"
                owned.add(try await change(drafts(Scene.node(node, cpus: 3 + turn / scene.nodes % 2))[0], acts, name, mirror, store))
                direct.add(try await change(drafts(Scene.byHand(turn % Scene.machinesByHand, cpus: 2 + turn / Scene.machinesByHand % 2))[0], acts, hand, mirror, store))
                let victim = Scene.nodeName((turn + scene.nodes / 2) % scene.nodes)
                died.add(try await acts.first(of: victim) { world.kill(victim) })
                try await settled(victim, mirror)
            }
            let background = Double(world.state.withLock { $0.looks } - looks) / (ContinuousClock.now - began).inSeconds
            func row(_ what: String, _ samples: Samples) -> Row {
                Row("latency", "\(what), \(scene.objects) objects", "ms", samples, aim: "p99 < 50 ms", isAimMet: samples.at(0.99) < 50)
            }
            return [
                row("a VirtualMachine's spec changes → it is told to power down (2 fsyncs)", direct),
                row("a Node's spec changes → its VirtualMachine is told to power down (3 fsyncs)", owned),
                row("a machine dies → it is started (1 fsync)", died),
                Row("latency", "reconciles a second meanwhile", "1/s", background),
            ]
        }
    }
}

private func change(_ draft: Draft, _ acts: Acts, _ machine: String, _ mirror: Mirror, _ store: any Store) async throws -> Duration {
    guard let before = mirror.ledger[draft.reference] else { throw BenchFailure("\(draft.reference) is missing") }
    let changed = before.replacingSpec(with: draft.resource)
    if changed.hasSameSpec(as: before) { throw BenchFailure("\(draft.reference) was to change, and did not") }
    let took = try await acts.first(of: machine) { try await put([changed], into: store) }
    try await settled(machine, mirror)
    return took
}

/// The machine and its node are ready again, and quiet for a moment.
private func settled(_ machine: String, _ mirror: Mirror) async throws {
    try await wait("\(machine) ready", upTo: .seconds(30)) {
        let ledger = mirror.ledger
        let node = ledger[Reference(Node.self, machine)]
        return ledger[Reference(VirtualMachine.self, machine)]?.isReady == true && node?.isReady ?? true
    }
    try await Task.sleep(for: .milliseconds(5))
}

/// Waits for what the drivers are told to do.
private final class Acts: Sendable {
    private struct State {
        var machine = ""
        var at: ContinuousClock.Instant?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func note(_ machine: String) {
        let now = ContinuousClock.now
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.machine == machine, state.at == nil else { return nil }
            state.at = now
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// How long after the beginning of `body` a driver was first told to act on the machine.
    func first(of machine: String, _ body: () async throws -> Void) async throws -> Duration {
        state.withLock { state in state = State(machine: machine) }
        let start = ContinuousClock.now
        try await body()
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.at != nil { return true }
                state.waiter = continuation
                return false
            }
            if isThere { continuation.resume() }
        }
        guard let at = state.withLock({ $0.at }) else { throw BenchFailure("\(machine) was not acted on") }
        return at - start
    }
}
