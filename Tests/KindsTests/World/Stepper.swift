import Foundation
import Reconcile
import Resource

@testable import Kinds

/// A daemon made of values: it takes one object at a time in a seeded order, and does with it what
/// the controller does: look, plan, write, perform. It can crash between any two of these.
struct Stepper {
    enum Outcome { case changed, quiet, waits }

    private struct Hand {
        var step: (any AnyResource, inout Ledger, inout Int64) async throws -> Outcome
    }

    private var hands: [String: Hand] = [:]
    let world: SimulatedWorld
    private let footing: Footing
    var ledger: Ledger
    private var uids: Int64 = 0
    private var random: SplitMix
    /// A crash strikes before this many more writes to the store; nil never.
    var crashBeforeWrite: Int?

    init(_ world: SimulatedWorld, _ ledger: Ledger, seed: UInt64) {
        self.world = world
        footing = Footing(Stepper.loops(world))
        self.ledger = ledger
        random = SplitMix(state: seed)
        add(SimulatedMachines(world: world))
        add(SimulatedDisks(world: world))
        add(SimulatedNetworks(world: world))
        add(SimulatedHosts(world: world))
        add(SimulatedServices(world: world))
        add(Node.Keeper())
        add(Cluster.Keeper())
    }

    /// The same parts for a diff.
    static func loops(_ world: SimulatedWorld) -> [AnyLoop] {
        [
            AnyLoop(Loop<VirtualMachine.Planning>(observer: SimulatedMachines(world: world))),
            AnyLoop(Loop<Kinds.Disk.Planning>(observer: SimulatedDisks(world: world))),
            AnyLoop(Loop<Network.Planning>(observer: SimulatedNetworks(world: world))),
            AnyLoop(Loop<Kinds.Host.Planning>(observer: SimulatedHosts(world: world))),
            AnyLoop(Loop<Service.Planning>(observer: SimulatedServices(world: world))),
            AnyLoop(Loop<Node.Planning>(observer: Node.Keeper())),
            AnyLoop(Loop<Cluster.Planning>(observer: Cluster.Keeper())),
        ]
    }

    /// Steps until nothing changes any more, a crash, or `most` steps.
    /// - Returns: false when a crash stopped it.
    mutating func run(most: Int = 5_000) async throws -> Bool {
        var quiet: Set<Reference> = []
        let kinds = hands.keys.sorted()
        for _ in 0..<most {
            let candidates = kinds.flatMap { ledger.references(kind: $0) }.filter { !quiet.contains($0) }
            guard let reference = candidates.randomElement(using: &random) else { return true }
            guard let record = ledger[reference], let hand = hands[reference.kind] else { continue }
            if let left = crashBeforeWrite {
                if left == 0 { return false }
                crashBeforeWrite = left - 1
            }
            var (next, counter) = (ledger, uids)
            let outcome: Outcome
            do {
                outcome = try await hand.step(record, &next, &counter)
            } catch is SimulatedWorld.Crash {
                // What was written before the act stays written.
                ledger = next
                uids = counter
                return false
            }
            (ledger, uids) = (next, counter)
            switch outcome {
            case .changed: quiet = []
            case .quiet: quiet.insert(reference)
            case .waits: break
            }
        }
        throw NoRest(ledger: ledger)
    }

    struct NoRest: Error, CustomStringConvertible {
        var ledger: Ledger
        var description: String {
            "never came to rest: " + ledger.all.map { "\($0.reference) \($0.summary?.phase ?? "unseen")" }.joined(separator: ", ")
        }
    }

    private mutating func add<T: Observer & Performer>(_ keeper: T) where T.P: Planner {
        typealias K = T.P.K
        let footing = footing
        hands[K.name] = Hand { record, ledger, uids in
            guard let resource = record as? Resource<K> else { return .quiet }
            let reader = Reader(ledger)
            if reader.holdsStill(resource) != nil { return .quiet }
            let goal = Goal(resource)
            guard let seen = try await (keeper as any Observer<T.P>).observe(goal, reader) as T.P.Observation? else { return .quiet }
            var plan = T.P.plan(goal, given: seen, reader)
            if !plan.actions.isEmpty, let outdated = await footing.outdated(under: resource, reader) { plan = plan.held(by: outdated) }
            let isHeld = plan.actions.isEmpty && plan.condition.isLookingAgain
            var serial = uids
            let round = Round<T.P>(
                resource, plan: plan, ledger: ledger, now: Date(timeIntervalSince1970: 0),
                makeUID: {
                    serial += 1
                    return "uid-\(serial)"
                })
            uids = serial
            if round.isGone {
                ledger[resource.reference] = nil
                return .changed
            }
            if let status = round.status { ledger[resource.reference] = status }
            for child in round.children.create + round.children.update + round.children.retire { ledger[child.reference] = child }
            for action in round.actions {
                do {
                    try await (keeper as any Performer<T.P>).perform(action)
                } catch is SimulatedWorld.Refused {
                    // The controller would come back later; here later is the next turn.
                    return .changed
                }
            }
            if isHeld { return .waits }
            return round.status == nil && round.children.isEmpty && round.actions.isEmpty ? .quiet : .changed
        }
    }
}

extension Condition {
    fileprivate var isLookingAgain: Bool {
        if case .waiting(_, "looking at it again") = self { true } else { false }
    }
}
