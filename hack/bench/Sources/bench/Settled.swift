import Foundation
import Kinds
import Reconcile
import Resource
import Store

/// A site brought to rest, made without a store: every record ready, the world as they say.
struct Settled {
    let scene: Scene
    let world = SimulatedWorld()
    private(set) var ledger = Ledger()
    private var uids = 0

    init(_ scene: Scene) async throws {
        self.scene = scene
        for draft in try drafts(scene.files()) {
            var record = draft.resource
            record.metadata.uid = newUID()
            record.metadata.finalizers = [Registry.finalizer]
            record.metadata.creationTimestamp = Self.now
            ledger[record.reference] = record
        }
        var isChanged = true
        while isChanged {
            isChanged = try await pass()
        }
        let all = ledger.all
        if all.count != scene.objects { throw BenchFailure("the site has \(all.count) objects, not \(scene.objects)") }
        if let lazy = all.first(where: { !$0.isReady }) {
            throw BenchFailure("\(lazy.reference) did not become ready: \(lazy.summary?.conditions ?? [])")
        }
    }

    private static let now = Date(timeIntervalSince1970: 1_790_000_000)

    private mutating func newUID() -> String {
        uids += 1
        return "00000000-0000-4000-8000-\(padded(String(uids, radix: 16), 12))"
    }

    private mutating func pass() async throws -> Bool {
        let (machines, disks, networks, hosts) = (
            SimulatedMachines(world: world), SimulatedDisks(world: world), SimulatedNetworks(world: world), SimulatedHosts(world: world))
        var isChanged = try await rounds(hosts as any Observer<Kinds.Host.Planning>, hosts as any Performer<Kinds.Host.Planning>)
        isChanged = try await rounds(networks as any Observer<Network.Planning>, networks as any Performer<Network.Planning>) || isChanged
        isChanged = try await rounds(Node.Keeper() as any Observer<Node.Planning>, Node.Keeper() as any Performer<Node.Planning>) || isChanged
        isChanged = try await rounds(disks as any Observer<Kinds.Disk.Planning>, disks as any Performer<Kinds.Disk.Planning>) || isChanged
        isChanged = try await rounds(machines as any Observer<VirtualMachine.Planning>, machines as any Performer<VirtualMachine.Planning>) || isChanged
        return try await rounds(Cluster.Keeper() as any Observer<Cluster.Planning>, Cluster.Keeper() as any Performer<Cluster.Planning>) || isChanged
    }

    /// One round for every record of a kind.
    private mutating func rounds<P: Planner>(_ observer: any Observer<P>, _ performer: any Performer<P>) async throws -> Bool {
        var isChanged = false
        for resource in ledger.list(P.K.self) {
            let goal = Goal(resource)
            let reader = Reader(ledger)
            let plan = P.plan(goal, given: try await observer.observe(goal, reader), reader)
            var made: [String] = []
            for _ in plan.children { made.append(newUID()) }
            let round = Round<P>(resource, plan: plan, ledger: ledger, now: Self.now, makeUID: { made.removeLast() })
            if let status = round.status { ledger[resource.reference] = status }
            for child in round.children.create { ledger[child.reference] = child }
            for action in round.actions { try await performer.perform(action) }
            isChanged = isChanged || round.status != nil || !round.children.isEmpty || !round.actions.isEmpty
        }
        return isChanged
    }

    /// Writes every record into a store.
    func fill(_ store: any Store) async throws {
        try await put(ledger.all, into: store)
    }
}

/// The key that a record is stored under.
func key(of record: any AnyResource) -> Key {
    guard let kind = Catalog.table[record.reference.kind] else { preconditionFailure("\(record.reference) is of no kind") }
    return Key(Registry.key(kind, record.name))
}

@discardableResult
func put(_ records: [any AnyResource], into store: any Store) async throws -> Revision {
    var revision: Revision = 0
    for start in stride(from: 0, to: records.count, by: 64) {
        let part = records[start..<min(start + 64, records.count)]
        revision = try await store.commit(Transaction(then: try part.map { .put(key(of: $0), try $0.encoded()) })).revision
    }
    return revision
}
