import Chainfire
import Foundation
import Host
import Kinds
import Reconcile
import Resource
import Store

/// A whole site brought from its manifest to ready, by the daemon's loops over Chainfire and a simulated host.
func reconcileRows(_ options: Options) async throws -> [Row] {
    var perSecond = Samples()
    var writing = Samples()
    var wholes = Samples()
    var perSync = Samples()
    let scene = Scene.of(objects: options.objects)
    let records = try drafts(scene.files()).map { draft in
        var record = draft.resource
        record.metadata.uid = UUID().uuidString.lowercased()
        record.metadata.finalizers = [Registry.finalizer]
        return record
    }
    for _ in 0..<max(1, options.runs / 2) {
        let disk = CountingDisk()
        let store = try openChainfire(try freshFolder("reconcile", in: options.directory), counting: disk)
        let mirror = makeMirror(store)
        let world = SimulatedWorld()
        try await running([store]) {
            let applied = try await put(records, into: store)
            let before = disk.counts.withLock { $0 }
            let start = ContinuousClock.now
            let workshop = makeWorkshop(mirror, store, world)
            try await running([mirror] + world.loops(performs: true).map { $0.controller(workshop) }) {
                var shown = start
                try await wait("every cluster ready", upTo: .seconds(900), every: .milliseconds(20)) {
                    let ledger = mirror.ledger
                    if options.isVerbose, ContinuousClock.now - shown > .seconds(2) {
                        shown = ContinuousClock.now
                        say("\(shown - start): \(world.state.withLock { $0.looks }) rounds, revision \(ledger.revision)")
                    }
                    let others = (0..<Scene.machinesByHand).map { Reference(VirtualMachine.self, "hand-\($0)") }
                    return (scene.clusterNames.map { Reference(Cluster.self, $0) } + others).allSatisfy { ledger[$0]?.isReady == true }
                }
                let took = (ContinuousClock.now - start).inSeconds
                let rounds = world.state.withLock { $0.looks }
                let revisions = Double(mirror.ledger.revision - applied)
                let syncs = disk.counts.withLock { $0.syncs } - before.syncs
                perSecond.add(Double(rounds) / took)
                writing.add(revisions / took)
                wholes.add(took)
                perSync.add(revisions / Double(syncs))
                if options.isVerbose { try await tellEvents(store) }
            }
        }
    }
    return [
        Row("reconcile", "\(scene.summary) from manifest to ready: reconciles a second", "1/s", perSecond,
            aim: "≥ 500/s", isAimMet: perSecond.median >= 500, note: "each looks, plans, and writes what changed"),
        Row("reconcile", "of them transactions written and fsynced before they act", "1/s", writing),
        Row("reconcile", "transactions that shared one fdatasync, on average", "", perSync),
        Row("reconcile", "the whole bring-up", "s", wholes),
    ]
}

/// What the rounds did, most frequent first.
private func tellEvents(_ store: any Store) async throws {
    var counts: [String: Int] = [:]
    for entry in try await store.range(RangeRequest(.prefix(Key(Registry.events)))).entries {
        let event = try Wire.decode(EventRecord.self, from: entry.value)
        let words = event.message.split(separator: " ").map { $0.contains(where: \.isNumber) ? "…" : $0 }.joined(separator: " ")
        counts["\(event.reason): \(words)", default: 0] += event.count
    }
    for (what, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(20) { say("\(count) × \(what)") }
}
