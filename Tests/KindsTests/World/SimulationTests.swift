import Foundation
import Manifest
import Reconcile
import Resource
import Testing

@testable import Kinds

/// Seeds to try; a failing one is repeated with PLASMA_SEED=<seed>.
private func seeds(_ count: Int) -> [UInt64] {
    if let one = ProcessInfo.processInfo.environment["PLASMA_SEED"].flatMap(UInt64.init) { return [one] }
    let start = ProcessInfo.processInfo.environment["PLASMA_SEED_START"].flatMap(UInt64.init) ?? 1
    return (0..<UInt64(count)).map { start + $0 }
}

private enum Scale {
    private static let share = ProcessInfo.processInfo.environment["PLASMA_SIMULATION_PERCENT"].flatMap(Int.init) ?? 100
    static let pairs = max(1, 10_000 * share / 100)
    static let crashing = max(1, 1_000 * share / 100)
}

@Suite struct `What diff plans is what apply does` {
    @Test func `for ten thousand random pairs of world and manifest`() async throws {
        let acted = try await inParallel(seeds(Scale.pairs)) { seed in
            let found = try await Simulated(seed: seed)
            #expect(found.disagreements == [], "seed \(seed)")
            #expect(found.breaches == [], "seed \(seed)")
            #expect(found.unexplained == [], "seed \(seed)")
            #expect(found.diffAfter.actions == [:], "seed \(seed): a second diff still plans something")
            #expect(found.wipedTwice == [], "seed \(seed)")
            return found.performed.isEmpty ? 0 : 1
        }
        // A test that compares nothing with nothing proves nothing.
        #expect(acted * 2 > Scale.pairs || Scale.pairs < 100, "only \(acted) of \(Scale.pairs) pairs had something to do")
    }

    @Test func `a crash at any step loses nothing and repeats nothing destructive`() async throws {
        let crashes = try await inParallel(seeds(Scale.crashing)) { seed in
            let found = try await Crashing(seed: seed)
            #expect(found.breaches == [], "seed \(seed)")
            #expect(found.unexplained == [], "seed \(seed)")
            #expect(found.wipedTwice == [], "seed \(seed)")
            return found.crashes
        }
        #expect(crashes > Scale.crashing || Scale.crashing < 100, "only \(crashes) crashes")
    }
}

/// Runs every seed, as many at once as there are processors, and adds up what they return.
private func inParallel(_ seeds: [UInt64], _ body: @escaping @Sendable (UInt64) async throws -> Int) async throws -> Int {
    let width = ProcessInfo.processInfo.activeProcessorCount
    return try await withThrowingTaskGroup(of: Int.self) { group in
        for lane in 0..<width {
            let own = stride(from: lane, to: seeds.count, by: width).map { seeds[$0] }
            group.addTask {
                var sum = 0
                for seed in own {
                    await Task.yield()
                    sum += try await body(seed)
                }
                return sum
            }
        }
        return try await group.reduce(0, +)
    }
}

/// One pair of world and manifest, diffed, applied and run to rest.
private struct Simulated {
    var planned: [Reference: [String]]
    var performed: [Reference: [String]]
    var breaches: [String]
    var unexplained: [String]
    var wipedTwice: [String]
    var diffAfter: DiffReport

    var disagreements: [String] {
        Set(planned.keys).union(performed.keys).sorted().compactMap {
            planned[$0] == performed[$0] ? nil : "\($0): planned \(planned[$0] ?? []), performed \(performed[$0] ?? [])"
        }
    }

    init(seed: UInt64) async throws {
        var source = RandomManifest(seed: seed)
        let world = SimulatedWorld()
        var stepper = Stepper(world, Ledger(), seed: seed)
        try stepper.ledger.apply(drafts(Simulated.host), retired: [])
        // A past: some manifest, applied, brought some way or all the way.
        let past = try drafts(source.manifest())
        stepper.ledger.apply(past, retired: [])
        if source.random.next() % 4 == 0 {
            stepper.crashBeforeWrite = Int(source.random.next() % 30)
        }
        if source.random.next() % 8 != 0 { _ = try await stepper.run() }
        stepper.crashBeforeWrite = nil
        for _ in 0..<Int(source.random.next() % 4) { source.accident(world) }
        // A present: half the time the same manifest, so that only drift is left.
        let present = source.random.next() % 2 == 0 ? past : try drafts(source.manifest())
        let kept = Set(present.map(\.resource.reference))
        let retired = past.map(\.resource.reference).filter { !kept.contains($0) }
        if source.random.next() % 4 == 0 { stepper.consent(source.random.next() % 2 == 0) }

        let differ = Differ(Stepper.loops(world))
        planned = await differ.diff(stored: stepper.ledger, records: stepper.ledger.changed(by: present), retired: retired).actions
        if ProcessInfo.processInfo.environment["PLASMA_SEED"] != nil { Self.tell(stepper, present, retired, await differ.diff(stored: stepper.ledger, records: stepper.ledger.changed(by: present), retired: retired)) }
        world.state.withLock { $0.performed = [:] }
        stepper.ledger.apply(present, retired: retired)
        _ = try await stepper.run()
        (performed, breaches, wipedTwice) = world.state.withLock { state in
            (state.performed, state.breaches, state.wiped.filter { $0.value > 1 }.keys.sorted())
        }
        unexplained = stepper.unexplained
        diffAfter = await differ.diff(stored: stepper.ledger, records: stepper.ledger.changed(by: present))
    }

    /// What a person needs to follow one seed.
    private static func tell(_ stepper: Stepper, _ drafts: [Draft], _ retired: [Reference], _ report: DiffReport) {
        for record in stepper.ledger.all {
            print("stored", record.reference, record.summary?.phase ?? "unseen", record.metadata.generation, record.metadata.isLeaving ? "leaving" : "")
        }
        print("world", stepper.world.state.withLock { ($0.machines.keys.sorted(), $0.images.map { "\($0.key)=\($0.value.bytes >> 20)" }.sorted(), $0.devices.keys.sorted()) })
        for draft in drafts { print("draft", draft.resource.reference, (try? draft.resource.json().at("spec")?.text) ?? "") }
        print("retired", retired)
        for object in report.objects { print("planned", object.reference, object.operation, object.actions, object.note ?? "") }
    }

    static let host = """
        apiVersion: plasma.cloud/v1alpha1
        kind: Host
        metadata: {name: lab}
        spec: {accelerator: auto}
        """
}

/// A run whose daemon crashes again and again, before writes and in the middle of acts.
private struct Crashing {
    var breaches: [String]
    var unexplained: [String]
    var wipedTwice: [String]
    var crashes = 0

    init(seed: UInt64) async throws {
        var source = RandomManifest(seed: seed)
        let world = SimulatedWorld()
        var stepper = Stepper(world, Ledger(), seed: seed)
        try stepper.ledger.apply(drafts(Simulated.host), retired: [])
        for _ in 0..<2 {
            try stepper.ledger.apply(drafts(source.manifest()), retired: [])
            stepper.consent(true)
            for _ in 0..<6 {
                if source.random.next() % 2 == 0 {
                    stepper.crashBeforeWrite = Int(source.random.next() % 12)
                } else {
                    let after = Int(source.random.next() % 4)
                    world.state.withLock { $0.crashAfter = after }
                }
                if try await !stepper.run() { crashes += 1 }
                stepper.crashBeforeWrite = nil
                world.state.withLock { $0.crashAfter = nil }
                // The next daemon knows nothing but the store and the world.
                stepper = Stepper(world, stepper.ledger, seed: source.random.next())
            }
            _ = try await stepper.run()
        }
        (breaches, wipedTwice) = world.state.withLock { ($0.breaches, $0.wiped.filter { $0.value > 1 }.keys.sorted()) }
        unexplained = stepper.unexplained
    }
}

private func drafts(_ text: String) throws -> [Draft] {
    let reading = Catalog.table.read([(file: "random.yaml", bytes: Array(text.utf8))])
    guard reading.problems.isEmpty else { throw Unreadable(problems: reading.problems) }
    return reading.drafts
}

private struct Unreadable: Error { var problems: [Problem] }

extension DiffReport {
    fileprivate var actions: [Reference: [String]] {
        Dictionary(uniqueKeysWithValues: objects.filter { !$0.actions.isEmpty }.map { ($0.reference, $0.actions) })
    }
}

extension Stepper {
    /// Objects that are neither ready nor say why.
    fileprivate var unexplained: [String] {
        ledger.all.filter { Catalog.reconciled.contains($0.reference.kind) }.compactMap { record in
            if record.isReady { return nil }
            guard let condition = record.summary?.condition("Ready"), !condition.message.isEmpty else { return "\(record.reference): silent" }
            return ["Waiting", "Stalled", "Failing"].contains(record.summary?.phase ?? "") ? nil : "\(record.reference): \(condition.message)"
        }
    }

    /// Consents to lose what every disk holds, or to something that is not asked.
    fileprivate mutating func consent(_ isRight: Bool) {
        for disk in ledger.list(Kinds.Disk.self) {
            var disk = disk
            disk.metadata.annotations[Kinds.Disk.consentAnnotation] =
                isRight ? "wipe-\(disk.metadata.uid.prefix(8))-\(disk.metadata.generation)" : "wipe-everything"
            ledger[disk.reference] = disk
        }
    }
}
