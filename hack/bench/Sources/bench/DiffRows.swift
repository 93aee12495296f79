import Chainfire
import Kinds
import Reconcile
import Resource
import Simulation
import Store

/// `diff` of one site over both stores, turn by turn.
func diffRows(_ scene: Scene, _ options: Options) async throws -> [Row] {
    let site = try await Settled(scene)
    let all = try drafts(scene.files())
    let name = "\(scene.objects) objects"
    let folder = try freshFolder("diff", in: options.directory)
    let memory = MemoryStore()
    try await site.fill(memory)
    let first = try openChainfire(folder)
    try await running([first]) { try await site.fill(first) }

    var figures: [String: Samples] = [:]
    var order: [String] = []
    func note(_ what: String, _ took: Duration) {
        if figures[what] == nil { order.append(what) }
        figures[what, default: Samples()].add(took)
    }
    let differ = Differ(site.world.loops(performs: false))

    for run in 0...options.runs {
        for isChainfire in [false, true] {
            let place = isChainfire ? "Chainfire" : "MemoryStore"
            let (opened, opening) = try await timed { isChainfire ? try openChainfire(folder) : nil }
            let store: any Store = opened ?? memory
            let mirror = makeMirror(store)
            let start = ContinuousClock.now
            try await running((opened.map { [$0] } ?? []) + [mirror]) {
                try await wait("the mirror", upTo: .seconds(120)) { mirror.isSynced }
                let reading = ContinuousClock.now - start
                let (calm, cold) = try await timed { await differ.diff(stored: mirror.ledger) }
                try expect(calm, of: scene, changed: [])
                let (_, warm) = try await timed { await differ.diff(stored: mirror.ledger) }
                // A whole manifest in which one node has one more core: its node, its machine.
                let node = 7 % scene.nodes
                let changed = try drafts(Scene.node(node, cpus: 3))
                let manifest = all.map { $0.reference == changed[0].reference ? changed[0] : $0 }
                let (foreseen, ahead) = try await timed { await differ.diff(manifest, over: mirror.ledger) }
                try expect(foreseen, of: scene, changed: ["Node", "VirtualMachine"])
                // The same change, written: what must happen now?
                guard let before = mirror.ledger[changed[0].reference] else { throw BenchFailure("\(changed[0].reference) is missing") }
                let (stored, after) = try await timed {
                    await mirror.caughtUp(to: try await put([before.replacingSpec(with: changed[0].resource)], into: store))
                    return await differ.diff(stored: mirror.ledger)
                }
                try expect(stored, of: scene, changed: ["VirtualMachine"])
                await mirror.caughtUp(to: try await put([before], into: store))
                if run == 0 { return }
                if isChainfire { note("Chainfire: opened from disk", opening) }
                note("\(place): records read and decoded", reading)
                note("\(place): cold: opened, read, diffed", opening + reading + cold)
                note("\(place): diff of records and world, nothing changed", warm)
                note("\(place): diff of the whole manifest with one change", ahead)
                note("\(place): one record changed: written, seen, diffed", after)
            }
        }
    }
    let isAimed = scene.objects < 12_000
    return order.map { what in
        let samples = figures[what]!
        let isDiff = isAimed && what.contains("diff of")
        return Row(
            "diff", "\(name), \(what)", "ms", samples, aim: isDiff ? "< 1000 ms" : nil, isAimMet: isDiff ? samples.median < 1000 : nil,
            note: ratio(what, figures))
    }
}

/// `diff` of a manifest against an empty store: everything is to be made, and is followed to its end in thought.
func foreseeRows(_ options: Options) async throws -> [Row] {
    let scene = Scene.of(objects: options.objects)
    let all = try drafts(scene.files())
    let differ = Differ(SimulatedWorld().loops(performs: false))
    var samples = Samples()
    for run in 0...max(1, options.runs / 2) {
        let (report, took) = try await timed { await differ.diff(all, over: Ledger()) }
        guard report.objects.count == scene.objects else { throw BenchFailure("\(report.objects.count) objects to make, not \(scene.objects)") }
        if run > 0 { samples.add(took) }
    }
    return [Row("foresee", "\(scene.objects) objects, nothing stored: all foreseen from nothing to ready", "ms", samples)]
}

extension Differ {
    /// A whole manifest against what is stored: only what an apply would write is laid over it, as the API does.
    fileprivate func diff(_ manifest: [Draft], over stored: Ledger) async -> DiffReport {
        let records = manifest.compactMap { draft -> (any AnyResource)? in
            guard let existing = stored[draft.reference] else {
                var new = draft.resource
                new.metadata.uid = "foreseen-\(draft.reference)"
                new.metadata.finalizers = [Registry.finalizer]
                return new
            }
            let updated = existing.replacingSpec(with: draft.resource)
            return existing.hasSameSpec(as: updated) ? nil : updated
        }
        return await diff(stored: stored, records: records, drafts: manifest)
    }
}

/// Chainfire against the same over MemoryStore.
private func ratio(_ what: String, _ figures: [String: Samples]) -> String? {
    guard what.hasPrefix("Chainfire: "), let same = figures["MemoryStore: " + what.dropFirst("Chainfire: ".count)], let own = figures[what] else {
        return nil
    }
    return "\(Row.figure(own.median / same.median)) × MemoryStore"
}

/// A diff that tells something else is fast for the wrong reason.
private func expect(_ report: DiffReport, of scene: Scene, changed: [String]) throws {
    guard report.examined == scene.objects, report.objects.map(\.kind) == changed else {
        throw BenchFailure("the diff looked at \(report.examined) objects and told of \(report.objects.prefix(5)), not of \(changed)")
    }
}
