import Manifest
import Resource
import Testing

@testable import Reconcile

@Suite struct DifferTests {
    private let world = Widget.World()
    private var differ: Differ { Differ([AnyLoop(Loop<Widget.Planning>(observer: world))]) }

    private func stored(_ name: String, _ spec: Widget.Spec, owner: String? = nil) -> Resource<Widget> {
        var metadata = Metadata(name: name, uid: "uid-\(name)")
        if let owner { metadata.ownerReferences = [OwnerReference(kind: "Widget", name: owner, uid: "uid-\(owner)")] }
        let conditions = Condition.ready.records(generation: 1, now: .init(timeIntervalSince1970: 0), previous: [])
        return Resource(
            metadata: metadata, spec: spec,
            status: StatusRecord(observedGeneration: 1, conditions: conditions, phase: "Ready", detail: Widget.Status(size: spec.size)))
    }

    private func draft(_ text: String) -> [Draft] {
        Bench.kinds.read([(file: "w.yaml", bytes: Array(text.utf8))]).drafts
    }

    private func applied(_ drafts: [Draft], to ledger: Ledger) -> [any AnyResource] {
        drafts.map { ledger[$0.resource.reference]?.replacingSpec(with: $0.resource) ?? $0.resource }
    }

    private func widget(_ name: String, _ size: Int) -> String {
        "apiVersion: plasma.cloud/v1alpha1\nkind: Widget\nmetadata: {name: \(name)}\nspec: {size: \(size)}\n---\n"
    }

    @Test func `an unchanged world has no differences`() async {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(stored: ledger)
        #expect(report.objects == [])
        #expect(report.exitCode == 0)
        #expect(report.examined == 1)
    }

    @Test func `what only the world changed is drift`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 2] }
        let object = try #require(await differ.diff(stored: ledger).objects.first)
        #expect(object.changes == [Change(path: "spec.size", from: .integer(2), to: .integer(4), class: .drift, impact: .restart)])
        #expect(object.actions == ["make a 4"])
    }

    @Test func `what only the manifest changed is config, with the impact that the plan knows`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let object = try #require(await differ.diff(stored: ledger, records: applied(draft(widget("a", 6)), to: ledger), drafts: draft(widget("a", 6))).objects.first)
        #expect(object.operation == .update)
        #expect(object.changes == [Change(path: "spec.size", from: .integer(4), to: .integer(6), class: .config, impact: .restart)])
        #expect(object.file == "w.yaml")
    }

    @Test func `a label or a note that changes is a difference too`() async throws {
        var ledger = Ledger()
        let old = stored("a", Widget.Spec(size: 4))
        ledger[old.reference] = old
        world.state.withLock { $0.sizes = ["a": 4] }
        var new = old
        new.metadata.labels["tier"] = "db"
        let object = try #require(await differ.diff(stored: ledger, records: [new]).objects.first)
        #expect(object.changes == [Change(path: "metadata.labels.tier", from: nil, to: .string("db"), class: .config, impact: .none)])
    }

    @Test func `what both changed is both`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 2] }
        let object = try #require(await differ.diff(stored: ledger, records: applied(draft(widget("a", 6)), to: ledger), drafts: draft(widget("a", 6))).objects.first)
        #expect(object.changes.map(\.class) == [.both])
    }

    @Test func `what cannot be seen is unknown, and outranks a difference`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.isInvisible = true }
        let report = await differ.diff(stored: ledger, records: applied(draft(widget("b", 6)), to: ledger))
        #expect(report.exitCode == 3)
        #expect(report.objects.allSatisfy { $0.isUnknown })
        #expect(report.objects.first?.note == "the world is broken")
    }

    @Test func `children to come and dependants are thought through to the end`() async {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4, parts: ["b"]))
        ledger[Reference(Widget.self, "z")] = stored("z", Widget.Spec(size: 1, after: "b"))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(stored: ledger)
        #expect(report.objects.map(\.actions) == [["make b 2"], ["make z 1"]])
        #expect(report.objects.map(\.operation) == [.create, .keep])
    }

    @Test func `what would be pruned is planned to the end`() async throws {
        var ledger = Ledger()
        ledger[Reference(Widget.self, "a")] = stored("a", Widget.Spec(size: 4))
        world.state.withLock { $0.sizes = ["a": 4] }
        let report = await differ.diff(
            stored: ledger, records: applied(draft(widget("b", 1)), to: ledger), retired: [Reference(Widget.self, "a")])
        let object = try #require(report.objects.first { $0.name == "a" })
        #expect(object.operation == .delete)
        #expect(object.actions == ["remove a"])
    }

    @Test func `what nobody asked for is named and left alone`() async throws {
        world.state.withLock { $0.sizes = ["ghost": 4] }
        let report = await differ.diff(stored: Ledger())
        #expect(report.objects.map(\.operation) == [.unmanaged])
        #expect(report.exitCode == 1)
        #expect(world.state.withLock { $0.sizes } == ["ghost": 4])
    }
}
